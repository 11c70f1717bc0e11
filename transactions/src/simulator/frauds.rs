//! Which transactions are frauds: the handbook's three scenarios, each of which overwrites the labels before it.

use super::cpython::Random;
use super::days::Transaction;
use super::numpy::RandomState;
use super::{Seeds, parallel};

/// The label of a transaction that is no fraud.
pub(super) const GENUINE: u8 = 0;
/// Scenario 1: the amount is above [`AMOUNT_LIMIT`]. Such a transaction is labelled where it is made.
pub(super) const BY_AMOUNT: u8 = 1;
/// Scenario 2: the terminal is compromised.
const BY_TERMINAL: u8 = 2;
/// Scenario 3: the card's data was stolen.
const BY_CUSTOMER: u8 = 3;

/// Scenario 1's limit.
pub(super) const AMOUNT_LIMIT: f64 = 220.0;

/// Terminals compromised each day, and for how many days.
const TERMINALS_A_DAY: usize = 2;
const TERMINAL_DAYS: u32 = 28;
/// Customers compromised each day, for how many days, which part of their transactions is fraudulent then, and by how
/// much the amount grows.
const CUSTOMERS_A_DAY: usize = 3;
const CUSTOMER_DAYS: u32 = 14;
const FRAUD_PART: u32 = 3;
const AMOUNT_FACTOR: f64 = 5.0;

/// The fewest customers and terminals that there are enough of to draw a day's from.
pub(super) const FEWEST_CUSTOMERS: u32 = CUSTOMERS_A_DAY as u32;
pub(super) const FEWEST_TERMINALS: u32 = TERMINALS_A_DAY as u32;

/// Who is compromised from which day on.
pub(super) struct Compromised {
    seeds: Seeds,
    run_days: u32,
    /// Drawn on each day.
    terminals: Vec<[u32; TERMINALS_A_DAY]>,
    customers: Vec<[u32; CUSTOMERS_A_DAY]>,
}

impl Compromised {
    /// Draws who is compromised on the first `days` of a run of `run_days`. Nobody is on the run's last day, for the
    /// handbook's loops end before it.
    pub(super) fn new(seeds: Seeds, (customers, terminals): (u32, u32), days: u32, run_days: u32) -> Self {
        let days = days.min(run_days - 1);
        let drawn = parallel::in_ranges(days as usize, |range| {
            let draw = |day: usize| {
                // pandas makes a generator for each call of `sample`.
                let terminals = RandomState::new(seeds.day(day as u32)).choice(terminals);
                let customers = RandomState::new(seeds.day(day as u32)).choice(customers);
                (terminals.unwrap_or_default(), customers.unwrap_or_default())
            };
            range.map(draw).collect::<Vec<_>>()
        });
        let (terminals, customers) = drawn.into_iter().flatten().unzip();
        Self { seeds, run_days, terminals, customers }
    }

    /// For how many days each customer must be followed so that the first `days` are labelled as in the whole run: a
    /// stolen card's frauds are drawn from all of its days at once, also from those after the last one wanted.
    pub(super) fn horizons(&self, customers: u32, days: u32) -> Vec<u32> {
        let mut horizons = vec![days; customers as usize];
        for (day, compromised) in (0..).zip(&self.customers) {
            for &customer in compromised {
                let horizon = &mut horizons[customer as usize];
                *horizon = (*horizon).max(self.window_end(day));
            }
        }
        horizons
    }

    /// Labels scenario 2.
    pub(super) fn label_terminals(&self, days: &mut [Vec<Transaction>]) {
        let mut compromised = vec![];
        for (day, transactions) in days.iter_mut().enumerate() {
            let first = (day + 1).saturating_sub(TERMINAL_DAYS as usize);
            let last = (day + 1).min(self.terminals.len());
            compromised.clear();
            compromised.extend(self.terminals[first.min(last)..last].iter().flatten().copied());
            for transaction in transactions {
                if compromised.contains(&transaction.terminal) {
                    transaction.scenario = BY_TERMINAL;
                }
            }
        }
    }

    /// Labels scenario 3, after scenario 2. `days` holds all that the horizons ask for.
    pub(super) fn label_customers(&self, days: &mut [Vec<Transaction>]) {
        let candidates = self.candidates(days);
        for (day, compromised) in (0..).zip(&self.customers) {
            let window = day as usize..self.window_end(day) as usize;
            let of_compromised = |&&(day, at): &&(usize, usize)| compromised.contains(&days[day][at].customer);
            let exposed: Vec<_> = candidates[window].iter().flatten().filter(of_compromised).copied().collect();
            let exposed_count = exposed.len() as u32;
            let drawn = Random::new(self.seeds.day(day)).sample(exposed_count, exposed_count / FRAUD_PART);
            for number in drawn {
                let (day, at) = exposed[number as usize];
                let transaction = &mut days[day][at];
                // A card that was stolen twice may have an amount grown twice.
                transaction.amount *= AMOUNT_FACTOR;
                transaction.scenario = BY_CUSTOMER;
            }
        }
    }

    /// Day and place of all transactions of customers who are compromised at some time, a list a day: few enough to be
    /// looked through for each day's three customers.
    fn candidates(&self, days: &[Vec<Transaction>]) -> Vec<Vec<(usize, usize)>> {
        let mut ever: Vec<u32> = self.customers.iter().flatten().copied().collect();
        ever.sort_unstable();
        let of_day = |(day, transactions): (usize, &Vec<Transaction>)| {
            let is_candidate =
                |(_, transaction): &(usize, &Transaction)| ever.binary_search(&transaction.customer).is_ok();
            transactions.iter().enumerate().filter(is_candidate).map(|(at, _)| (day, at)).collect()
        };
        days.iter().enumerate().map(of_day).collect()
    }

    /// The first day on which a card stolen on `day` is safe again, within the run.
    fn window_end(&self, day: u32) -> u32 {
        (day + CUSTOMER_DAYS).min(self.run_days)
    }
}
