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
/// How often the working set is gone through before more rows are looked for.
const SWEEPS: usize = 100;
/// How many pairs may be balanced in all. Separable days need none, days whose scenarios overlap a few thousand; a day
/// of noise stops here, a little off its optimum.
const STEPS: usize = 200_000;
/// How large a working set may be for [`Step::solve`] to try its pairs.
const SOLVABLE: usize = 16;

/// The line's value at a point.
pub fn value(line: Line, point: Point) -> f64 {
    line[0] * point[0] + line[1] * point[1]
}

/// Moves the line by the least that satisfies the rows. `price` is the most that one row may pull.
pub fn least_change(line: Line, rows: &[Row], price: f64, rng: &mut ChaCha8Rng) -> Line {
    let mut step = Step { before: line, line, price, supports: Vec::new(), steps_left: STEPS };
    let mut settled = true;
    while step.steps_left > 0 {
        let joining = step.worst(rows);
        if joining.is_empty() && settled {
            break;
        }
        step.supports.extend(joining.iter().map(|&index| Support { index, row: rows[index], pull: 0.0 }));
        settled = step.settle(rng);
        step.supports.retain(|support| support.pull > 0.0);
    }
    step.line
}

/// The line on its way, and the rows that pull at it.
struct Step {
    before: Line,
    line: Line,
    price: f64,
    supports: Vec<Support>,
    steps_left: usize,
}

/// A row that pulls, and how hard: its dual variable, nought to the price.
#[derive(Clone, Copy)]
struct Support {
    index: usize,
    row: Row,
    pull: f64,
}

impl Step {
    /// The rows of each side that lack most and do not pull yet, worst first.
    fn worst(&self, rows: &[Row]) -> Vec<usize> {
        let mut worst = [const { Vec::<(f64, usize)>::new() }; 2];
        for (index, row) in rows.iter().enumerate() {
            let lack = lack(self.line, row);
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

    /// Balances the pulls of the working set. Where they cannot be solved for at once, neighbours in a random order are
    /// balanced two at a time, each pair exactly, which also finds out who pulls with all that the price allows. Whether
    /// they are balanced now.
    fn settle(&mut self, rng: &mut ChaCha8Rng) -> bool {
        // Solving is work too, so that no round is free.
        self.steps_left = self.steps_left.saturating_sub(self.supports.len());
        for _ in 0..SWEEPS {
            if self.solve() {
                return true;
            }
            self.steps_left = self.steps_left.saturating_sub(self.supports.len());
            self.supports.shuffle(rng);
            let mut largest = 0.0_f64;
            for index in 0..self.supports.len() {
                let next = (index + 1) % self.supports.len();
                largest = largest.max(self.unrest(index)).max(self.unrest(next));
                if next == index { self.balance_one(index) } else { self.balance_two(index, next) }
            }
            if largest < TOLERANCE {
                return true;
            }
        }
        false
    }

    /// Solves for the pulls, given who pulls with the whole price. In a plane a line is held by two rows at most, so
    /// none of the others pulls, or one, or two: the first choice that satisfies them all is the answer. Whether there
    /// was one.
    fn solve(&mut self) -> bool {
        let price = self.price;
        let (held, mut free): (Vec<Support>, Vec<Support>) = self.supports.iter().partition(|one| one.pull >= price);
        if free.len() > SOLVABLE {
            return false;
        }
        let base = held.iter().fold(self.before, |line, one| moved(line, &one.row, price));
        let fits = |line: Line| {
            free.iter().all(|one| lack(line, &one.row) <= TOLERANCE)
                && held.iter().all(|one| lack(line, &one.row) >= -TOLERANCE)
        };
        let pulls_of = |(i, j): (usize, usize)| {
            let (a, b) = (&free[i].row, &free[j].row);
            let lacks = [lack(base, a), lack(base, b)];
            if i == j {
                [(i, lacks[0] / value(a.point, a.point)), (i, 0.0)]
            } else {
                let [first, second] = free_pulls(a, b, lacks);
                [(i, first), (j, second)]
            }
        };
        let choices = (0..free.len()).flat_map(|i| (i..free.len()).map(move |j| (i, j))).map(pulls_of);
        let mut choices = std::iter::once([(0, 0.0); 2]).chain(choices);
        let answer = choices.find_map(|pulls| {
            let allowed = pulls.iter().all(|(_, pull)| (0.0..=price).contains(pull));
            let pulling = pulls.iter().filter(|(_, pull)| *pull > 0.0);
            let line = pulling.fold(base, |line, (index, pull)| moved(line, &free[*index].row, *pull));
            (allowed && fits(line)).then_some((line, pulls))
        });
        let Some((line, pulls)) = answer else { return false };
        free.iter_mut().for_each(|one| one.pull = 0.0);
        for (index, pull) in pulls.into_iter().filter(|(_, pull)| *pull > 0.0) {
            free[index].pull = pull;
        }
        (self.line, self.supports) = (line, [held, free].concat());
        true
    }

    /// By how much a support's pull is wrong, in units of margin.
    fn unrest(&self, index: usize) -> f64 {
        let support = &self.supports[index];
        let lack = lack(self.line, &support.row);
        let held = (support.pull <= 0.0 && lack < 0.0) || (support.pull >= self.price && lack > 0.0);
        if held { 0.0 } else { lack.abs() }
    }

    fn balance_one(&mut self, index: usize) {
        let Support { row, pull, .. } = self.supports[index];
        let change = (lack(self.line, &row) / value(row.point, row.point)).clamp(-pull, self.price - pull);
        self.pull(index, change);
    }

    /// The best pulls of two supports together: between the bounds if they allow it, else on one of the bounds.
    fn balance_two(&mut self, first: usize, second: usize) {
        let (a, b) = (self.supports[first], self.supports[second]);
        let (p, q) = (a.row.point, b.row.point);
        let lacks = [lack(self.line, &a.row), lack(self.line, &b.row)];
        let (aa, bb, ab) = (value(p, p), value(q, q), a.row.side * b.row.side * value(p, q));
        let bounds = |support: &Support| [-support.pull, self.price - support.pull];
        let ([a_low, a_high], [b_low, b_high]) = (bounds(&a), bounds(&b));
        let free = free_pulls(&a.row, &b.row, lacks);
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
        self.line = moved(self.line, &support.row, change);
    }
}

/// By how much a row lacks its margin; below nought if it has more than that.
fn lack(line: Line, row: &Row) -> f64 {
    row.margin - row.side * value(line, row.point)
}

/// The line after a row has pulled at it.
fn moved([slope, level]: Line, row: &Row, pull: f64) -> Line {
    [slope + pull * row.side * row.point[0], level + pull * row.side * row.point[1]]
}

/// The pulls of two rows after which neither lacks anything. Not finite for rows at the same point.
fn free_pulls(a: &Row, b: &Row, lacks: [f64; 2]) -> [f64; 2] {
    let (p, q) = (a.point, b.point);
    let (aa, bb, ab) = (value(p, p), value(q, q), a.side * b.side * value(p, q));
    // The determinant aa * bb - ab * ab as the square that it is, which does not cancel for close points.
    let cross = p[0] * q[1] - p[1] * q[0];
    [(lacks[0] * bb - lacks[1] * ab) / (cross * cross), (lacks[1] * aa - lacks[0] * ab) / (cross * cross)]
}

#[cfg(test)]
mod tests;
