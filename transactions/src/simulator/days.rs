//! What the customers buy, day by day, before any of it is a fraud but by its amount.

use super::cpython::Random;
use super::frauds::{AMOUNT_LIMIT, BY_AMOUNT, GENUINE};
use super::numpy::RandomState;
use super::parallel;
use super::profiles::{Customer, Terminals};
use super::{SECONDS_A_DAY, Seeds};

/// One payment. Its day is the list that it stands in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Transaction {
    /// Seconds since midnight.
    pub(super) second: u32,
    pub(super) customer: u32,
    pub(super) terminal: u32,
    /// Which scenario makes it a fraud, or 0.
    pub(super) scenario: u8,
    pub(super) amount: f64,
}

/// All customers' transactions, a list a day, each in the order of time; within a second in the order of customers, and
/// one customer's in the order in which they were drawn. `horizons` says for how many days each customer is followed.
pub(super) fn transactions(
    customers: &[Customer],
    terminals: &Terminals,
    horizons: &[u32],
    seeds: Seeds,
) -> Vec<Vec<Transaction>> {
    let most_days = horizons.iter().copied().max().unwrap_or_default() as usize;
    let parts = parallel::in_ranges(customers.len(), |range| {
        let mut days: Vec<_> = (0..most_days).map(|_| Vec::with_capacity(2 * range.len())).collect();
        let mut spender = Spender::new();
        for id in range {
            spender.spend(id as u32, &customers[id], terminals, seeds, &mut days[..horizons[id] as usize]);
        }
        days
    });
    let sorted =
        parallel::in_ranges(most_days, |range| range.map(|day| in_time_order(&parts, day)).collect::<Vec<_>>());
    sorted.into_iter().flatten().collect()
}

/// One day of every part: the parts hold the customers in order, and a stable sort keeps it within a second.
fn in_time_order(parts: &[Vec<Vec<Transaction>>], day: usize) -> Vec<Transaction> {
    let mut transactions: Vec<_> = parts.iter().flat_map(|days| &days[day]).copied().collect();
    transactions.sort_by_key(|transaction| transaction.second);
    transactions
}

/// What drawing one customer after the other needs again and again.
struct Spender {
    numbers: RandomState,
    choices: Random,
    reachable: Vec<u32>,
}

impl Spender {
    fn new() -> Self {
        Self { numbers: RandomState::new(0), choices: Random::new(0), reachable: Vec::new() }
    }

    /// Appends one customer's transactions to each of `days`. Every customer has streams of its own, so what one buys
    /// does not depend on the others, nor a day on how many follow it.
    fn spend(
        &mut self,
        id: u32,
        customer: &Customer,
        terminals: &Terminals,
        seeds: Seeds,
        days: &mut [Vec<Transaction>],
    ) {
        let Self { numbers, choices, reachable } = self;
        terminals.reachable(customer.x, customer.y, reachable);
        if reachable.is_empty() {
            return;
        }
        numbers.reseed(seeds.customer(id));
        choices.reseed(seeds.customer(id));
        let mean = customer.mean_transactions_per_day;
        let limit = (-mean).exp();
        for day in days {
            for _ in 0..numbers.poisson(mean, limit) {
                // Cut off towards zero, as Python's int() does.
                let second = numbers.normal(f64::from(SECONDS_A_DAY) / 2.0, 20_000.0) as i64;
                if second <= 0 || second >= i64::from(SECONDS_A_DAY) {
                    continue;
                }
                let amount = amount(numbers, customer.mean_amount);
                let terminal = reachable[choices.choice(reachable.len() as u32) as usize];
                let scenario = if amount > AMOUNT_LIMIT { BY_AMOUNT } else { GENUINE };
                day.push(Transaction { second: second as u32, customer: id, terminal, scenario, amount });
            }
        }
    }
}

/// An amount in whole cents, spread around the customer's mean.
fn amount(numbers: &mut RandomState, mean: f64) -> f64 {
    let mut amount = numbers.normal(mean, mean / 2.0);
    if amount < 0.0 {
        amount = numbers.uniform(0.0, mean * 2.0);
    }
    // numpy's round to two decimals.
    (amount * 100.0).round_ties_even() / 100.0
}
