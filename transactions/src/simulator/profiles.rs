//! Who pays and where: customers and terminals on the handbook's 100 by 100 grid, and which terminals a customer uses.

use super::numpy::RandomState;

/// The side of the square in which everybody lives.
const SIDE: f64 = 100.0;
/// More cells than this a side would cost more to look through than they save.
const MOST_CELLS: f64 = 100.0;

/// How one customer spends.
pub(super) struct Customer {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) mean_amount: f64,
    pub(super) mean_transactions_per_day: f64,
}

/// The customers, whose ids are their places.
pub(super) fn customers(count: u32, seed: u32) -> Vec<Customer> {
    let mut random = RandomState::new(seed);
    // Fields are drawn in the order in which they stand here.
    let mut customer = || Customer {
        x: random.uniform(0.0, SIDE),
        y: random.uniform(0.0, SIDE),
        mean_amount: random.uniform(5.0, 100.0),
        mean_transactions_per_day: random.uniform(0.0, 4.0),
    };
    (0..count).map(|_| customer()).collect()
}

/// The terminals, sorted into square cells that are wider than the radius: whatever lies within the radius of a place
/// is in its cell or in one of the eight around it.
pub(super) struct Terminals {
    radius: f64,
    cells_a_side: usize,
    /// Where each cell's terminals begin in `terminals`, row by row; one more entry marks the end.
    starts: Vec<usize>,
    terminals: Vec<Terminal>,
}

#[derive(Clone, Copy)]
struct Terminal {
    x: f64,
    y: f64,
    id: u32,
}

impl Terminals {
    /// Draws the terminals, whose ids follow the order of drawing.
    pub(super) fn new(count: u32, seed: u32, radius: f64) -> Self {
        let mut random = RandomState::new(seed);
        let mut terminals: Vec<_> =
            (0..count).map(|id| Terminal { x: random.uniform(0.0, SIDE), y: random.uniform(0.0, SIDE), id }).collect();
        // A thousandth wider than the radius, so that rounding cannot move a neighbour out of the nine cells.
        let cells_a_side = (SIDE / (radius * 1.001)).clamp(1.0, MOST_CELLS) as usize;
        let cell_of =
            |terminal: &Terminal| cell(terminal.y, cells_a_side) * cells_a_side + cell(terminal.x, cells_a_side);
        let mut starts = vec![0; cells_a_side * cells_a_side + 1];
        for terminal in &terminals {
            starts[cell_of(terminal) + 1] += 1;
        }
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        terminals.sort_by_key(cell_of);
        Self { radius, cells_a_side, starts, terminals }
    }

    /// Replaces what is in `ids` by the terminals nearer than the radius to a place, in the order of their ids.
    pub(super) fn reachable(&self, x: f64, y: f64, ids: &mut Vec<u32>) {
        ids.clear();
        let around = |at: f64| {
            let middle = cell(at, self.cells_a_side);
            (middle.saturating_sub(1), (middle + 1).min(self.cells_a_side - 1))
        };
        let (left, right) = around(x);
        let (bottom, top) = around(y);
        for row in bottom..=top {
            let row = row * self.cells_a_side;
            let terminals = &self.terminals[self.starts[row + left]..self.starts[row + right + 1]];
            let mut found = ids.len();
            ids.resize(found + terminals.len(), 0);
            for terminal in terminals {
                let (dx, dy) = (x - terminal.x, y - terminal.y);
                // Written in any case, and kept if near: a branch could not be predicted.
                ids[found] = terminal.id;
                // The root is taken because the handbook takes it: it may round up to the radius.
                found += usize::from((dx * dx + dy * dy).sqrt() < self.radius);
            }
            ids.truncate(found);
        }
        ids.sort_unstable();
    }
}

/// Which column or row of cells a coordinate lies in.
fn cell(at: f64, cells_a_side: usize) -> usize {
    (at * cells_a_side as f64 / SIDE) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The cells find what a look at every terminal finds, whatever the radius.
    #[test]
    fn cells_find_what_a_full_search_finds() {
        for radius in [0.0, 0.3, 1.0, 5.0, 33.4, 50.0, 99.0, 150.0] {
            let terminals = Terminals::new(800, 1, radius);
            let mut found = Vec::new();
            for customer in customers(60, 0) {
                terminals.reachable(customer.x, customer.y, &mut found);
                let near = |t: &&Terminal| ((customer.x - t.x).powi(2) + (customer.y - t.y).powi(2)).sqrt() < radius;
                let mut expected: Vec<u32> = terminals.terminals.iter().filter(near).map(|t| t.id).collect();
                expected.sort_unstable();
                assert_eq!(found, expected, "radius {radius}");
            }
        }
    }

    /// A terminal exactly as far away as the radius is out of reach.
    #[test]
    fn the_edge_is_out_of_reach() {
        let terminals = Terminals::new(100, 1, 0.0);
        let mut found = Vec::new();
        for terminal in &terminals.terminals {
            terminals.reachable(terminal.x, terminal.y, &mut found);
            assert!(found.is_empty());
        }
    }

    /// The first customers are the ones that the handbook prints.
    #[test]
    fn customers_are_the_handbooks() {
        let customers = customers(5, 0);
        let first = &customers[0];
        let printed = |value: f64| format!("{value:.6}");
        assert_eq!([first.x, first.y, first.mean_amount].map(printed), ["54.881350", "71.518937", "62.262521"]);
        let rates: Vec<_> = customers.iter().map(|c| printed(c.mean_transactions_per_day)).collect();
        assert_eq!(rates, ["2.179533", "3.567092", "2.115580", "0.348517", "3.480049"]);
    }
}
