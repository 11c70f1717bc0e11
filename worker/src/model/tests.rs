//! What the training must reach on the tutorial's days, and what must not matter to it.

use std::sync::LazyLock;

use linfa::traits::{FitWith as _, Predict as _};
use transactions::simulator;
use transactions::{Column, Index, Table};

use super::*;

/// The tutorial's five days, simulated: four to train on and one to test on.
static DAYS: LazyLock<Vec<Dataset>> = LazyLock::new(|| days(0));

fn days(world: u16) -> Vec<Dataset> {
    let days = simulator::generate(5, world).unwrap();
    days.iter().map(|day| Dataset::from_table(&day.table).unwrap()).collect()
}

/// The four checkpoints of a run, newest day first as the queue gives them out.
fn lineage(days: &[Dataset], seed: u64) -> Vec<Trained> {
    let mut lineage: Vec<Trained> = Vec::new();
    for day in days[..4].iter().rev() {
        let parent = lineage.last().map(|trained| &trained.model);
        lineage.push(train(parent, day, &days[4], seed));
    }
    lineage
}

/// A dataset of amounts and labels; the other columns hold what must not matter.
pub(super) fn dataset(rows: &[(f64, u8)]) -> Dataset {
    dataset_with(rows, |row| row as i64)
}

fn dataset_with(rows: &[(f64, u8)], other: impl Fn(usize) -> i64) -> Dataset {
    let others = || (0..rows.len()).map(&other).collect::<Vec<i64>>();
    let mut columns: Vec<Column> = FEATURE_NAMES.iter().map(|name| Column::int64(*name, others())).collect();
    columns[AMOUNT] = Column::float64("TX_AMOUNT", rows.iter().map(|row| row.0).collect());
    columns.push(Column::int64(LABEL_NAME, rows.iter().map(|row| row.1.into()).collect()));
    Dataset::from_table(&Table::new(columns, Index::range(rows.len())).unwrap()).unwrap()
}

#[test]
fn every_checkpoint_of_the_tutorial_finds_what_an_amount_can_show_whatever_the_seed() {
    for seed in 0..20 {
        for (index, trained) in lineage(&DAYS, seed).iter().enumerate() {
            let figures = &trained.testing_figures;
            let context = format!("seed {seed}, checkpoint {index}: {figures:?}");
            // 7 of the test day's 22 frauds are above every legitimate amount, among them all 5 of scenario 1.
            assert_eq!(figures.recall[1], Some(1.0), "{context}");
            assert_eq!(figures.fraud_precision, Some(1.0), "{context}");
            assert_eq!(figures.fraud_recall, Some(7.0 / 22.0), "{context}");
            assert!(figures.auc.unwrap() > 0.76, "{context}");
            assert!(figures.accuracy > 0.9983, "{context}");
        }
    }
}

#[test]
fn other_worlds_are_learned_as_well() {
    for world in 1..=5 {
        let last = lineage(&days(world), 0).pop().unwrap().testing_figures;
        assert!(last.recall[1].unwrap() >= 0.75, "world {world}: {last:?}");
        assert!(last.fraud_precision.unwrap() >= 0.9, "world {world}: {last:?}");
        assert!(last.auc.unwrap() >= 0.6, "world {world}: {last:?}");
    }
}

#[test]
fn the_untrained_model_is_the_constant_answer_and_its_accuracy_proves_nothing() {
    let figures = figures(&Model::untrained(), &DAYS[4]);
    assert_eq!(figures.accuracy, 9629.0 / 9651.0);
    assert_eq!((figures.recall[1], figures.fraud_recall), (Some(0.0), Some(0.0)));
    assert_eq!((figures.precision[1], figures.fraud_precision, figures.auc), (None, None, Some(0.5)));
}

#[test]
fn the_same_arguments_give_the_same_bits() {
    let (first, second) = (lineage(&DAYS, 7), lineage(&DAYS, 7));
    for (first, second) in first.iter().zip(&second) {
        let bits = |model: &Model| model.coef.as_flattened().iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&first.model), bits(&second.model));
        assert_eq!(first, second);
    }
}

/// The model of the fourth checkpoint, as it came out on the machine that this was written on. Only additions,
/// products, quotients and a square root are in it, so another machine must get the same.
#[test]
fn the_bits_are_the_same_on_every_machine() {
    let Model { coef, intercept, t } = lineage(&DAYS, 0).pop().unwrap().model;
    let numbers: Vec<String> =
        coef.iter().zip(intercept).map(|(coef, b)| format!("{:?} {b:?}", coef[AMOUNT])).collect();
    insta::assert_snapshot!(format!("{}\n{t:?}", numbers.join("\n")), @r"
-0.6622516556291798 146.00331125828262
0.6622516556291798 -146.00331125828262
0.6622516556291798 -147.00331125828262
0.6698917095325961 -149.02922435185155
38349.0
");
}

#[test]
fn the_label_under_another_name_identifiers_and_dates_do_not_matter() {
    let rows: Vec<(f64, u8)> = (0..500).map(|row| (f64::from(row), u8::from(row > 480))).collect();
    let quiet = train(None, &dataset(&rows), &dataset(&rows), 3).model;
    let telling = dataset_with(&rows, |row| i64::from(rows[row].1) << 50);
    assert_eq!(train(None, &telling, &telling, 3).model, quiet);
    let unused = (0..FEATURES).filter(|feature| *feature != AMOUNT);
    assert!(unused.into_iter().all(|feature| quiet.coef.iter().all(|coef| coef[feature] == 0.0)));
}

#[test]
fn a_day_that_shows_two_classes_leaves_room_for_the_others() {
    let two: Vec<(f64, u8)> = (1..=400).map(|row| (f64::from(row), u8::from(row > 300))).collect();
    let first = train(None, &dataset(&two), &dataset(&two), 0);
    assert_eq!(first.training_figures.accuracy, 1.0);
    let four: Vec<(f64, u8)> = two.iter().copied().chain((0..20).map(|row| (900.0 + f64::from(row), 3))).collect();
    let second = train(Some(&first.model), &dataset(&four), &dataset(&four), 0);
    assert_eq!(second.testing_figures.recall[3], Some(1.0));
    assert_eq!(second.testing_figures.recall[1], Some(1.0));
}

#[test]
fn a_day_that_shows_nothing_new_forgets_nothing() {
    let legitimate: Vec<(f64, u8)> = (0..300).map(|row| (f64::from(row) / 2.0, 0)).collect();
    let before = train(None, &DAYS[3], &DAYS[4], 0);
    let after = train(Some(&before.model), &dataset(&legitimate), &DAYS[4], 0);
    assert_eq!(after.testing_figures, before.testing_figures);
    assert_eq!(after.model.t, before.model.t + 300.0);
    assert_eq!(before.model.t, 1.0 + DAYS[3].rows() as f64);
}

#[test]
fn a_warm_start_keeps_what_the_day_itself_does_not_show() {
    let narrow = dataset(&[(10.0, 0), (195.0, 0), (205.0, 1), (310.0, 1)]);
    let wide = dataset(&[(10.0, 0), (20.0, 0), (210.0, 1), (310.0, 1)]);
    let parent = train(None, &narrow, &narrow, 0);
    assert_eq!(train(Some(&parent.model), &wide, &narrow, 0).testing_figures.accuracy, 1.0);
    assert!(train(None, &wide, &narrow, 0).testing_figures.accuracy < 1.0);
}

#[test]
fn a_parent_of_absurd_numbers_is_survived() {
    for (seed, size) in [(1_u64, 1e13), (2, -1e13), (3, 1e300), (4, -1e300), (5, f64::MAX), (6, 1e-300)] {
        let mut parent = Model::untrained();
        parent
            .coef
            .as_flattened_mut()
            .iter_mut()
            .enumerate()
            .for_each(|(i, coef)| *coef = size * (0.3 + (i % 7) as f64 / 10.0));
        parent.intercept = [size, -size, size / 2.0, -size / 3.0];
        let trained = train(Some(&parent), &DAYS[3], &DAYS[4], seed);
        let trained = train(Some(&trained.model), &DAYS[2], &DAYS[4], seed);
        assert!(trained.model.is_finite(), "{size}: {:?}", trained.model);
        let figures = &trained.testing_figures;
        assert_eq!((figures.recall[1], figures.fraud_precision), (Some(1.0), Some(1.0)), "{size}: {figures:?}");
    }
}

#[test]
fn hopeless_days_end_with_finite_numbers() {
    let noise: Vec<(f64, u8)> =
        (0..3000_u32).map(|row| (f64::from(row * 7919 % 3001), (row * 104_729 % 4) as u8)).collect();
    let equal = vec![(5.0, 0), (5.0, 1), (5.0, 2), (5.0, 3)];
    let huge = vec![(1e30, 0), (-1e30, 1), (1e29, 3), (0.0, 2)];
    let tiny = vec![(1e-300, 0), (2e-300, 1)];
    for rows in [noise, equal, huge, tiny, vec![(7.0, 2)]] {
        let day = dataset(&rows);
        let first = train(None, &day, &day, 0);
        let second = train(Some(&first.model), &DAYS[3], &day, 0);
        assert!(first.model.is_finite() && second.model.is_finite(), "{:?}", &rows[..rows.len().min(4)]);
    }
}

#[test]
fn linfa_can_fit_and_predict_it() {
    let trainer = Trainer { seed: 0 };
    let model = trainer.fit_with(Model::untrained(), DAYS[3].as_linfa()).unwrap();
    assert_eq!(model, train(None, &DAYS[3], &DAYS[4], 0).model);
    let classes: Array1<u8> = model.predict(DAYS[4].features());
    assert_eq!(classes.to_vec(), predict(&model, &DAYS[4]));
}

#[test]
fn a_score_is_above_nought_exactly_where_a_fraud_is_predicted() {
    let mut only_third = Model::untrained();
    only_third.coef[3][AMOUNT] = 0.1;
    for model in [lineage(&DAYS, 0).pop().unwrap().model, only_third] {
        let classes = predict(&model, &DAYS[4]);
        assert!(classes.contains(&3));
        assert!(fraud_scores(&model, &DAYS[4]).iter().zip(classes).all(|(score, class)| (*score > 0.0) == (class > 0)));
    }
}

#[test]
fn all_eight_features_of_a_foreign_model_count() {
    let mut model = Model::untrained();
    model.coef[2][6] = 10.0;
    let day = dataset_with(&[(1.0, 0), (1.0, 2)], |row| row as i64);
    assert_eq!(predict(&model, &day), [0, 2]);
}

#[test]
fn of_equal_values_the_first_class_wins_as_in_scikit_learn() {
    let zeros = Model { coef: [[0.0; FEATURES]; CLASSES], intercept: [0.0; CLASSES], t: 1.0 };
    let tied = Model { intercept: [0.0, 0.5, 0.25, 0.5], ..zeros.clone() };
    let day = dataset(&[(1.0, 0)]);
    assert_eq!((predict(&zeros, &day), predict(&tied, &day)), (vec![0], vec![1]));
}
