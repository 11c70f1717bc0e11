//! The simulator of the Fraud Detection Handbook: customers, terminals, what is bought day by day, and which of it is
//! fraud. It makes the tutorial's datasets anew, bit for bit.
//!
//! Source: Y.-A. Le Borgne, W. Siblini, B. Lebichot and G. Bontempi, "Reproducible Machine Learning for Credit Card Fraud
//! Detection - Practical Handbook", chapter 3, section "Transaction data simulator"
//! (<https://github.com/Fraud-Detection-Handbook/fraud-detection-handbook>). The handbook draws with numpy and with
//! Python's own `random`; both generators are here, number for number, so the same seeds give the same data.
//!
//! One thing is not the handbook's: it sorts by time with an unstable sort, so the order of transactions inside one
//! second, and with it their TRANSACTION_ID, is an accident there. Here such ties stand in the order of customers, and
//! one customer's in the order in which they were drawn.

mod cpython;
mod date;
mod days;
mod files;
mod frauds;
mod mt19937;
mod numpy;
mod parallel;
mod profiles;
mod tables;

pub use date::Date;
pub use files::{Dataset, DatasetsError};
pub use tables::Day;

use days::Transaction;
use frauds::{Compromised, FEWEST_CUSTOMERS, FEWEST_TERMINALS};
use profiles::Terminals;

const SECONDS_A_DAY: u32 = 86_400;
const NANOSECONDS_A_SECOND: i64 = 1_000_000_000;

/// What is simulated. The default is the handbook's world and all of its 183 days.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameters {
    /// How many customers there are (handbook: 5000). From 3 to 65536.
    pub customers: u32,
    /// How many terminals there are (handbook: 10000). At least 2.
    pub terminals: u32,
    /// How many of the run's days are wanted, from its first on. From 1 to `run_days`.
    pub days: u32,
    /// How many days the whole run has (handbook: 183). The last one differs from the others, for nobody is newly
    /// compromised on it, and in the last two weeks the frauds of a stolen card are drawn from fewer days; so this says
    /// what the wanted days are the beginning of. From 1 to 65536.
    pub run_days: u32,
    /// The run's first day (handbook: 2018-04-01).
    pub start: Date,
    /// Customers use the terminals nearer to them than this, on a square with sides of 100 (handbook: 5).
    pub radius: f64,
    /// Which world it is. 0 is the handbook's. The handbook seeds its generators with 0 for the customers' profiles, 1
    /// for the terminals', each customer's id for what it buys and each day's number for who is compromised on it;
    /// another seed adds 65536 times itself to all of these, so no two worlds have a stream in common.
    pub seed: u16,
}

impl Default for Parameters {
    fn default() -> Self {
        let start = const { Date::new(2018, 4, 1).expect("the handbook's first day is a date") };
        Self { customers: 5_000, terminals: 10_000, days: 183, run_days: 183, start, radius: 5.0, seed: 0 }
    }
}

/// A parameter that is outside of what makes sense.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("failed to simulate with `{name}` {given}: it goes from {least} to {most}")]
pub struct ParametersError {
    /// Which parameter.
    pub name: &'static str,
    /// What it was.
    pub given: f64,
    /// The least that it may be.
    pub least: f64,
    /// The most that it may be.
    pub most: f64,
}

impl Parameters {
    fn check(&self) -> Result<(), ParametersError> {
        let streams = f64::from(Seeds::STREAMS);
        let bounds = [
            ("customers", self.customers.into(), FEWEST_CUSTOMERS.into(), streams),
            ("terminals", self.terminals.into(), FEWEST_TERMINALS.into(), u32::MAX.into()),
            ("run_days", self.run_days.into(), 1.0, streams),
            ("days", self.days.into(), 1.0, self.run_days.into()),
            ("radius", self.radius, 0.0, f64::MAX),
        ];
        for (name, given, least, most) in bounds {
            if !(least..=most).contains(&given) {
                return Err(ParametersError { name, given, least, most });
            }
        }
        Ok(())
    }
}

/// The seeds of one world's streams, as [`Parameters::seed`] describes them.
#[derive(Clone, Copy)]
struct Seeds {
    base: u32,
}

impl Seeds {
    /// How many seeds a world has.
    const STREAMS: u32 = 1 << 16;

    fn new(seed: u16) -> Self {
        Self { base: u32::from(seed) * Self::STREAMS }
    }

    fn customers(self) -> u32 {
        self.base
    }

    fn terminals(self) -> u32 {
        self.base + 1
    }

    fn customer(self, id: u32) -> u32 {
        self.base + id
    }

    fn day(self, day: u32) -> u32 {
        self.base + day
    }
}

/// The days asked for, simulated.
pub struct Simulation {
    start: Date,
    days: Vec<Vec<Transaction>>,
}

/// Simulates the first days of a run. They do not depend on how many are asked for.
///
/// # Errors
/// When a parameter is out of its range.
pub fn simulate(parameters: &Parameters) -> Result<Simulation, ParametersError> {
    parameters.check()?;
    let (mut days, compromised) = unlabelled(parameters);
    compromised.label_terminals(&mut days);
    compromised.label_customers(&mut days);
    days.truncate(parameters.days as usize);
    Ok(Simulation { start: parameters.start, days })
}

/// The first `days` days of the handbook's run, or of another world's: [`simulate`] with the other parameters as they
/// are by default.
///
/// # Errors
/// When `days` is not from 1 to 183.
pub fn generate(days: u32, seed: u16) -> Result<Vec<Day>, ParametersError> {
    Ok(simulate(&Parameters { days, seed, ..Parameters::default() })?.days().collect())
}

/// The days before anybody is compromised, with as many after those wanted as [`Compromised::horizons`] asks for.
fn unlabelled(parameters: &Parameters) -> (Vec<Vec<Transaction>>, Compromised) {
    let &Parameters { customers, terminals, days, run_days, radius, seed, .. } = parameters;
    let seeds = Seeds::new(seed);
    let compromised = Compromised::new(seeds, (customers, terminals), days, run_days);
    let profiles = profiles::customers(customers, seeds.customers());
    let terminals = Terminals::new(terminals, seeds.terminals(), radius);
    (days::transactions(&profiles, &terminals, &compromised.horizons(customers, days), seeds), compromised)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A run has as many transactions as the handbook prints, and each scenario finds as many new frauds.
    #[test]
    fn totals_are_the_handbooks() {
        let frauds = |days: &[Vec<Transaction>]| days.iter().flatten().filter(|row| row.scenario > 0).count();
        let (mut days, compromised) = unlabelled(&Parameters::default());
        assert_eq!(days.iter().map(Vec::len).sum::<usize>(), 1_754_155);
        let by_amount = frauds(&days);
        compromised.label_terminals(&mut days);
        let by_terminal = frauds(&days) - by_amount;
        compromised.label_customers(&mut days);
        let by_customer = frauds(&days) - by_amount - by_terminal;
        assert_eq!([by_amount, by_terminal, by_customer], [978, 9_099, 4_604]);
    }

    /// No stream of one world is a stream of another.
    #[test]
    fn worlds_share_no_seed() {
        let ranges = [0, 1, 2, u16::MAX - 1, u16::MAX].map(|seed| {
            let seeds = Seeds::new(seed);
            let last = Seeds::STREAMS - 1;
            assert_eq!([seeds.customers(), seeds.terminals()], [seeds.customer(0), seeds.day(1)]);
            seeds.customer(0)..=seeds.customer(last).max(seeds.day(last))
        });
        for (earlier, later) in ranges.iter().zip(&ranges[1..]) {
            assert!(earlier.end() < later.start());
        }
    }
}
