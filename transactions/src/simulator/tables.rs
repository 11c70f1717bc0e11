//! Simulated days as tables, column for column as the tutorial's files have them.

use super::days::Transaction;
use super::{Date, NANOSECONDS_A_SECOND, SECONDS_A_DAY, Simulation};
use crate::{Column, Index, IndexKind, Table};

/// One simulated day.
#[derive(Clone, Debug, PartialEq)]
pub struct Day {
    /// Which day it is.
    pub date: Date,
    /// Its transactions in the order of time: TRANSACTION_ID and TX_DATETIME (ns since 1970) of dtype int64;
    /// CUSTOMER_ID and TERMINAL_ID, object; TX_AMOUNT, float64; TX_TIME_SECONDS and TX_TIME_DAYS since the run's start,
    /// object; TX_FRAUD (0 or 1) and TX_FRAUD_SCENARIO (0 to 3), int64. TRANSACTION_ID counts through the whole run,
    /// and the index, of dtype int64, equals it.
    pub table: Table,
}

impl Simulation {
    /// How many days were asked for.
    pub fn len(&self) -> usize {
        self.days.len()
    }

    /// Whether there are none, which no simulation is.
    pub fn is_empty(&self) -> bool {
        self.days.is_empty()
    }

    /// How many transactions all days have together.
    pub fn rows(&self) -> usize {
        self.days.iter().map(Vec::len).sum()
    }

    /// The days in their order. Each table is made when it is asked for.
    pub fn days(&self) -> impl Iterator<Item = Day> + '_ {
        (0..self.len()).filter_map(|number| self.day(number))
    }

    /// The day of a number, counted from 0.
    pub fn day(&self, number: usize) -> Option<Day> {
        let transactions = self.days.get(number)?;
        let first_id = self.days[..number].iter().map(Vec::len).sum::<usize>() as i64;
        let date = self.start.plus_days(number as u32);
        Some(Day { date, table: table(transactions, first_id, date, number as i64) })
    }
}

fn table(transactions: &[Transaction], first_id: i64, date: Date, day: i64) -> Table {
    let rows = transactions.len();
    let ints = |value: &dyn Fn(&Transaction) -> i64| transactions.iter().map(value).collect::<Vec<i64>>();
    let seconds_before = |days: i64| days * i64::from(SECONDS_A_DAY);
    let (since_1970, since_start) = (seconds_before(date.days_since_1970()), seconds_before(day));
    let columns = vec![
        Column::int64("TRANSACTION_ID", (first_id..first_id + rows as i64).collect()),
        Column::int64("TX_DATETIME", ints(&|row| (since_1970 + i64::from(row.second)) * NANOSECONDS_A_SECOND)),
        Column::object("CUSTOMER_ID", ints(&|row| row.customer.into())),
        Column::object("TERMINAL_ID", ints(&|row| row.terminal.into())),
        Column::float64("TX_AMOUNT", transactions.iter().map(|row| row.amount).collect()),
        Column::object("TX_TIME_SECONDS", ints(&|row| since_start + i64::from(row.second))),
        Column::object("TX_TIME_DAYS", vec![day; rows]),
        Column::int64("TX_FRAUD", ints(&|row| i64::from(row.scenario > 0))),
        Column::int64("TX_FRAUD_SCENARIO", ints(&|row| row.scenario.into())),
    ];
    let index = Index::even(IndexKind::Int64, first_id, 1, rows).expect("no run has 2^63 transactions");
    Table::new(columns, index).expect("the columns have different names and a value for each transaction")
}
