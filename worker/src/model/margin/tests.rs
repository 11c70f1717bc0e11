//! The learning step against its definition: nothing nearby costs less.

use proptest::prelude::*;
use rand::SeedableRng as _;

use super::*;

/// What the step minimises.
fn cost(before: Line, after: Line, rows: &[Row], price: f64) -> f64 {
    let distance: f64 = before.iter().zip(after).map(|(before, after)| (after - before).powi(2)).sum();
    distance / 2.0 + price * rows.iter().map(|row| lack(after, row).max(0.0)).sum::<f64>()
}

fn step(before: Line, rows: &[Row], price: f64) -> Line {
    least_change(before, rows, price, &mut ChaCha8Rng::seed_from_u64(1))
}

fn row(place: f64, side: f64) -> Row {
    Row { point: [place, 1.0], side, margin: 1.0 }
}

#[test]
fn satisfied_rows_change_nothing() {
    let rows = [row(-3.0, -1.0), row(3.0, 1.0)];
    assert_eq!(step([1.0, 0.0], &rows, 10.0), [1.0, 0.0]);
}

#[test]
fn a_row_that_lacks_a_little_moves_the_line_by_that_little() {
    let [slope, level] = step([0.0, 0.995], &[row(0.0, 1.0)], 10.0);
    assert!(slope == 0.0 && (level - 1.0).abs() < 1e-12, "{slope} {level}");
}

#[test]
fn two_rows_are_separated_half_way_between_them() {
    let [slope, level] = step([0.0, -1.0], &[row(4.0, -1.0), row(4.5, 1.0), row(0.0, -1.0), row(9.0, 1.0)], 1e5);
    assert!((slope - 4.0).abs() < 1e-9, "{slope}");
    assert!((-level / slope - 4.25).abs() < 1e-9, "{level}");
}

#[test]
fn the_pull_of_a_wrong_label_is_bounded_by_the_price() {
    let [slope, level] = step([0.0, -1.0], &[row(0.0, 1.0)], 0.25);
    assert_eq!([slope, level], [0.0, -0.75]);
}

proptest! {
    #[test]
    fn no_line_nearby_costs_less(
        before in prop::array::uniform2(-3.0..3.0),
        rows in prop::collection::vec((-5.0..5.0, any::<bool>(), 0.0..2.0), 1..12),
        price in prop_oneof![Just(0.1), Just(1.0), Just(10.0)],
        seed in any::<u64>(),
    ) {
        let sided = |(place, above, margin)| Row { margin, ..row(place, if above { 1.0 } else { -1.0 }) };
        let rows: Vec<Row> = rows.into_iter().map(sided).collect();
        let after = least_change(before, &rows, price, &mut ChaCha8Rng::seed_from_u64(seed));
        let least = cost(before, after, &rows, price);
        for size in [1e-3, 1e-2, 0.1, 1.0] {
            for turn in 0..16 {
                let (sine, cosine) = (f64::from(turn) * std::f64::consts::PI / 8.0).sin_cos();
                let other = cost(before, [after[0] + size * cosine, after[1] + size * sine], &rows, price);
                prop_assert!(other >= least - 1e-6 * (1.0 + least), "{other} < {least}");
            }
        }
    }
}
