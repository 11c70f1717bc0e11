//! The learning step: the least change of a line that puts every row on its side, with a margin, as far as that pays.
//!
//! This is the passive-aggressive step of Crammer et al. ("Online Passive-Aggressive Algorithms", JMLR 7, 2006, variant
//! PA-I), taken over all rows of a day at once instead of one by one: minimise half the squared distance from the line
//! that was, plus the price times what each row lacks of its margin. Rows that are already well placed change nothing,
//! which is how a lineage remembers. The dual is solved exactly on a growing set of the rows that lack most. There are
//! only additions, products, quotients and comparisons in it, in one order: the bits are the same on every machine.

use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;

/// A scaled feature and the constant: what a line is multiplied with.
pub type Point = [f64; 2];

/// Slope and level over a [`Point`].
pub type Line = [f64; 2];

/// A row as the step sees it: `side * value(line, point)` shall be at least `margin`.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Where it is.
    pub point: Point,
    /// 1.0 above the line, -1.0 below.
    pub side: f64,
    /// How far.
    pub margin: f64,
}

/// How much of its margin a row may lack and still count as satisfied.
const TOLERANCE: f64 = 1e-6;
/// How many rows of each side join the working set at a time.
const BATCH: usize = 4;
/// How often rows may join. Separable days need fewer than ten; a day of noise stops here, a little off its optimum.
const ROUNDS: usize = 40;
/// How often the working set is gone through before more rows are looked for.
const SWEEPS: usize = 60;

/// The line's value at a point.
pub fn value(line: Line, point: Point) -> f64 {
    line[0] * point[0] + line[1] * point[1]
}

/// Moves the line by the least that satisfies the rows. `price` is the most that one row may pull.
pub fn least_change(line: Line, rows: &[Row], price: f64, rng: &mut ChaCha8Rng) -> Line {
    let mut step = Step { line, price, supports: Vec::new() };
    for _ in 0..ROUNDS {
        let joining = step.worst(rows);
        if joining.is_empty() {
            break;
        }
        step.supports.extend(joining.iter().map(|&index| Support { index, row: rows[index], pull: 0.0 }));
        step.settle(rng);
        step.supports.retain(|support| support.pull > 0.0);
    }
    step.line
}

/// The line on its way, and the rows that pull at it.
struct Step {
    line: Line,
    price: f64,
    supports: Vec<Support>,
}

/// A row that pulls, and how hard: its dual variable, nought to the price.
#[derive(Clone, Copy)]
struct Support {
    index: usize,
    row: Row,
    pull: f64,
}

impl Step {
    fn lack(&self, row: &Row) -> f64 {
        row.margin - row.side * value(self.line, row.point)
    }

    /// The rows of each side that lack most and do not pull yet, worst first.
    fn worst(&self, rows: &[Row]) -> Vec<usize> {
        let mut worst = [const { Vec::<(f64, usize)>::new() }; 2];
        for (index, row) in rows.iter().enumerate() {
            let lack = self.lack(row);
            let side = &mut worst[usize::from(row.side > 0.0)];
            let joins = lack > TOLERANCE && (side.len() < BATCH || side[BATCH - 1].0 < lack);
            if joins && !self.supports.iter().any(|support| support.index == index) {
                side.truncate(BATCH - 1);
                let place = side.partition_point(|(other, _)| *other >= lack);
                side.insert(place, (lack, index));
            }
        }
        worst.concat().into_iter().map(|(_, index)| index).collect()
    }

    /// Balances the pulls of the working set: neighbours in a random order, two at a time, each pair exactly.
    fn settle(&mut self, rng: &mut ChaCha8Rng) {
        for _ in 0..SWEEPS {
            self.supports.shuffle(rng);
            let mut largest = 0.0_f64;
            for index in 0..self.supports.len() {
                let next = (index + 1) % self.supports.len();
                largest = largest.max(self.unrest(index));
                if next == index { self.balance_one(index) } else { self.balance_two(index, next) }
            }
            if largest < TOLERANCE {
                break;
            }
        }
    }

    /// By how much a support's pull is wrong, in units of margin.
    fn unrest(&self, index: usize) -> f64 {
        let support = &self.supports[index];
        let lack = self.lack(&support.row);
        let held = (support.pull <= 0.0 && lack < 0.0) || (support.pull >= self.price && lack > 0.0);
        if held { 0.0 } else { lack.abs() }
    }

    fn balance_one(&mut self, index: usize) {
        let Support { row, pull, .. } = self.supports[index];
        let change = (self.lack(&row) / value(row.point, row.point)).clamp(-pull, self.price - pull);
        self.pull(index, change);
    }

    /// The best pulls of two supports together: between the bounds if they allow it, else on one of the bounds.
    fn balance_two(&mut self, first: usize, second: usize) {
        let (a, b) = (self.supports[first], self.supports[second]);
        let (p, q) = (a.row.point, b.row.point);
        let lacks = [self.lack(&a.row), self.lack(&b.row)];
        let (aa, bb, ab) = (value(p, p), value(q, q), a.row.side * b.row.side * value(p, q));
        // The determinant aa * bb - ab * ab as the square that it is, which does not cancel for close points.
        let cross = p[0] * q[1] - p[1] * q[0];
        let bounds = |support: &Support| [-support.pull, self.price - support.pull];
        let ([a_low, a_high], [b_low, b_high]) = (bounds(&a), bounds(&b));
        let free =
            [(lacks[0] * bb - lacks[1] * ab) / (cross * cross), (lacks[1] * aa - lacks[0] * ab) / (cross * cross)];
        // A comparison with NaN (two equal points) is false, so such pairs go to the bounds too.
        let inside = free[0] >= a_low && free[0] <= a_high && free[1] >= b_low && free[1] <= b_high;
        let best = if inside {
            free
        } else {
            let along_b = |change: f64| [change, ((lacks[1] - ab * change) / bb).clamp(b_low, b_high)];
            let along_a = |change: f64| [((lacks[0] - ab * change) / aa).clamp(a_low, a_high), change];
            let gain = |[x, y]: [f64; 2]| lacks[0] * x + lacks[1] * y - (aa * x * x + bb * y * y) / 2.0 - ab * x * y;
            let edges = [along_b(a_low), along_b(a_high), along_a(b_low), along_a(b_high)];
            edges.into_iter().fold([0.0, 0.0], |best, edge| if gain(edge) > gain(best) { edge } else { best })
        };
        self.pull(first, best[0]);
        self.pull(second, best[1]);
    }

    fn pull(&mut self, index: usize, change: f64) {
        let support = &mut self.supports[index];
        support.pull = (support.pull + change).clamp(0.0, self.price);
        for (line, point) in self.line.iter_mut().zip(support.row.point) {
            *line += change * support.row.side * point;
        }
    }
}
