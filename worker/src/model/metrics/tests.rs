//! Figures against cases worked out by hand, and the AUC against its definition.

use proptest::prelude::*;

use super::*;

#[test]
fn figures_of_a_small_case_are_those_worked_out_by_hand() {
    let labels = [0, 0, 0, 0, 1, 1, 2, 3];
    let predicted = [0, 0, 0, 1, 1, 0, 3, 3];
    let scores = [0.1, 0.2, 0.3, 0.7, 0.9, 0.3, 0.8, 0.9];
    let figures = Figures::of(&labels, &predicted, &scores);
    assert_eq!(figures.confusion, [[3, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0, 1], [0, 0, 0, 1]]);
    assert_eq!((figures.rows, figures.accuracy), (8, 5.0 / 8.0));
    assert_eq!(figures.recall, [Some(0.75), Some(0.5), Some(0.0), Some(1.0)]);
    assert_eq!(figures.precision, [Some(0.75), Some(0.5), None, Some(0.5)]);
    // 3 of the 4 frauds were given a fraud class, scenario 2 as 3; so was one legitimate row.
    assert_eq!((figures.fraud_recall, figures.fraud_precision), (Some(0.75), Some(0.75)));
    // Of the 16 pairs, 0.9, 0.8 and 0.9 win all 4 each; 0.3 wins 2 and ties 1.
    assert_eq!(figures.auc, Some(14.5 / 16.0));
    assert!(figures.are_consistent());
}

#[test]
fn what_cannot_be_said_is_none() {
    let figures = Figures::of(&[0, 0], &[0, 0], &[0.0, 1.0]);
    assert_eq!((figures.accuracy, figures.auc, figures.fraud_recall, figures.fraud_precision), (1.0, None, None, None));
    assert_eq!(figures.recall, [Some(1.0), None, None, None]);
    assert_eq!(Figures::of(&[1], &[1], &[0.0]).auc, None);
}

#[test]
fn figures_that_were_tampered_with_are_not_consistent() {
    let figures = Figures::of(&[0, 1], &[0, 0], &[0.0, 1.0]);
    assert!(!Figures { accuracy: 1.0, ..figures.clone() }.are_consistent());
    assert!(!Figures { auc: Some(1.5), ..figures.clone() }.are_consistent());
    assert!(!Figures { auc: Some(f64::NAN), ..figures.clone() }.are_consistent());
    assert!(!Figures { confusion: [[1 << 62; CLASSES]; CLASSES], ..figures }.are_consistent());
}

proptest! {
    #[test]
    fn the_auc_is_the_share_of_pairs_in_the_right_order(rows in prop::collection::vec((0_u8..4, -3_i8..3), 0..40)) {
        let (labels, scores): (Vec<u8>, Vec<f64>) = rows.iter().map(|(label, score)| (*label, f64::from(*score))).unzip();
        let mut wins = 0.0;
        let mut pairs = 0.0;
        for (fraud, _) in labels.iter().enumerate().filter(|(_, label)| **label > 0) {
            for (legitimate, _) in labels.iter().enumerate().filter(|(_, label)| **label == 0) {
                pairs += 1.0;
                wins += match scores[fraud].total_cmp(&scores[legitimate]) {
                    std::cmp::Ordering::Greater => 1.0,
                    std::cmp::Ordering::Equal => 0.5,
                    std::cmp::Ordering::Less => 0.0,
                };
            }
        }
        prop_assert_eq!(Figures::of(&labels, &labels, &scores).auc, (pairs > 0.0).then_some(wins / pairs));
    }

    #[test]
    fn figures_survive_json_to_the_last_bit(rows in prop::collection::vec((0_u8..4, 0_u8..4, -3_i8..3), 1..60)) {
        let column = |pick: fn(&(u8, u8, i8)) -> u8| rows.iter().map(pick).collect::<Vec<u8>>();
        let scores: Vec<f64> = rows.iter().map(|row| f64::from(row.2)).collect();
        let figures = Figures::of(&column(|row| row.0), &column(|row| row.1), &scores);
        let text = serde_json::to_string(&figures).unwrap();
        prop_assert_eq!(serde_json::from_str::<Figures>(&text).unwrap(), figures);
    }
}
