//! Checkpoints and figures against real scikit-learn: it loads what the worker writes, and the worker what it writes.
//!
//! Two Pythons are asked, both made by `cargo xtask peers`: `LAB_PYTHON` with the version that a checkpoint is written
//! for, and `LAB_PYTHON_NEWEST` with the newest one there was; else `python3`. Where one has no scikit-learn and pandas,
//! the tests say so and go on without it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use serde_json::Value;
use tempfile::TempDir;
use transactions::{Table, Values, simulator};
use worker::checkpoint::{Checkpoint, Metadata, Parent, SCHEMA_VERSION};
use worker::model::{self, CLASSES, Dataset, Figures, Model, Trained};

/// The tutorial's five days, simulated: four to train on and one to test on.
static DAYS: LazyLock<Vec<simulator::Day>> = LazyLock::new(|| simulator::generate(5, 0).unwrap());

#[test]
fn scikit_learn_loads_a_checkpoint_decides_the_same_and_goes_on_training() {
    Peer::all().for_each(|peer| loads_a_checkpoint(&peer));
}

fn loads_a_checkpoint(peer: &Peer) {
    let (trained, checkpoint) = lineage();
    let bytes = checkpoint.to_bytes();
    peer.write("checkpoint.pkl", &bytes);
    peer.write_days(&[0]);
    let said = peer.run("load");

    assert_eq!(said["type"], "sklearn.linear_model._stochastic_gradient.SGDClassifier");
    if said["version"] == "1.5.2" {
        // Other versions have other defaults and other private attributes.
        assert_eq!(said["repr"], "SGDClassifier(eta0=0.01, random_state=11)");
        assert_eq!(
            said["unlike_defaults"],
            serde_json::json!(["eta0", "random_state"]),
            "the default of `eta0` is refused later"
        );
        assert_eq!(said["dtypes"], said["fresh_dtypes"]);
        assert_eq!(said["missing"], serde_json::json!(["_loss_function_"]), "attributes of a fresh classifier");
    }
    assert_eq!(said["clone_is_unfitted"], true);
    assert_eq!(said["fit_from_nothing"], true);
    assert_eq!(said["metadata"]["metadata"], serde_json::to_value(checkpoint.metadata.as_ref().unwrap()).unwrap());

    let test = dataset(4);
    assert_eq!(classes(&said), model::predict(&trained.model, &test));
    assert_eq!(classes(&said), model::predict(&Checkpoint::from_bytes(&bytes).unwrap().model, &test));
    let ours = trained.model.decide(test.features());
    assert_eq!(decisions(&said), ours.iter().map(|value| value.to_bits()).collect::<Vec<u64>>(), "every bit");

    // Kept as it was by scikit-learn's own pickling; trained on by scikit-learn, it is a model without our lineage.
    assert_eq!(Checkpoint::from_bytes(&peer.read("kept.pkl")).unwrap(), checkpoint);
    assert_eq!(said["learned_rows"].as_f64(), said["rows"].as_f64());
    let went_on = Checkpoint::from_bytes(&peer.read("trained.pkl")).unwrap();
    assert_eq!(went_on.metadata, None);
    assert_eq!(went_on.model.t, trained.model.t + said["rows"].as_f64().unwrap());
    assert_eq!(model::predict(&went_on.model, &test), classes(&said["trained"]));
}

#[test]
fn the_worker_reads_what_the_original_writes_and_learns_on_from_it() {
    Peer::all().for_each(|peer| reads_the_original(&peer));
}

fn reads_the_original(peer: &Peer) {
    peer.write_days(&[2, 3]);
    let said = peer.run("original");
    let test = dataset(4);
    for protocol in 2..=5 {
        let read = Checkpoint::from_bytes(&peer.read(&format!("original{protocol}.pkl"))).unwrap();
        assert_eq!(read.metadata, None, "protocol {protocol}");
        assert_eq!(model::predict(&read.model, &test), classes(&said), "protocol {protocol}");
        let rows = [2, 3].map(|day| DAYS[day].table.rows() as f64);
        assert_eq!(read.model.t, 1.0 + rows[0] + rows[1], "protocol {protocol}");

        let first = model::train(Some(&read.model), &dataset(1), &test, 0);
        let last = model::train(Some(&first.model), &dataset(0), &test, 0).testing_figures;
        assert_eq!((last.recall[1], last.fraud_precision), (Some(1.0), Some(1.0)), "protocol {protocol}: {last:?}");
    }
}

#[test]
fn on_the_tutorials_own_files_both_decide_the_same() {
    let Some(datasets) = tutorials_datasets() else { return };
    let read = |path: &str| Dataset::from_table(&transactions::read(&datasets.join(path)).unwrap()).unwrap();
    let test = read("testing/test_dataset.pkl");
    let mut model = None;
    for day in ["04", "03", "02", "01"] {
        let training = read(&format!("training/2018-04-{day}.pkl"));
        let trained = model::train(model.as_ref(), &training, &test, 0);
        let figures = &trained.testing_figures;
        assert_eq!((figures.recall[1], figures.fraud_precision), (Some(1.0), Some(1.0)), "{day}: {figures:?}");
        model = Some(trained.model);
    }
    let model = model.unwrap();
    for peer in Peer::all() {
        peer.write("checkpoint.pkl", &Checkpoint { model: model.clone(), metadata: None }.to_bytes());
        peer.write("test.pkl", &std::fs::read(datasets.join("testing/test_dataset.pkl")).unwrap());
        assert_eq!(classes(&peer.run("answer")), model::predict(&model, &test), "{}", peer.python.display());
    }
}

#[test]
fn figures_are_scikit_learns() {
    Peer::all().for_each(|peer| judges_alike(&peer));
}

fn judges_alike(peer: &Peer) {
    let (trained, _) = lineage();
    // The last model, and one that is wrong often and in every way.
    let mut rough = Model::untrained();
    rough.coef = std::array::from_fn(|class| std::array::from_fn(|feature| ((class * 5 + feature * 3) % 7) as f64));
    rough.coef.iter_mut().for_each(|coef| coef[1] = 0.0);
    for model in [trained.model, rough] {
        let test = dataset(4);
        let (predicted, scores) = (model::predict(&model, &test), model::fraud_scores(&model, &test));
        let figures = Figures::of(test.labels(), &predicted, &scores);
        assert_eq!(figures, model::figures(&model, &test));
        let mut rows = String::from("label,predicted,score\n");
        for ((label, predicted), score) in test.labels().iter().zip(&predicted).zip(&scores) {
            writeln!(rows, "{label},{predicted},{score:?}").unwrap();
        }
        peer.write("predictions.csv", rows.as_bytes());
        let said = peer.run("judge");
        assert_eq!(said["confusion"], serde_json::json!(figures.confusion));
        assert_eq!(said["accuracy"], figures.accuracy);
        let or_zero = |figures: [Option<f64>; CLASSES]| serde_json::json!(figures.map(Option::unwrap_or_default));
        assert_eq!(said["recall"], or_zero(figures.recall));
        assert_eq!(said["precision"], or_zero(figures.precision));
        assert_eq!(said["fraud_recall"], figures.fraud_recall.unwrap());
        assert_eq!(said["fraud_precision"], figures.fraud_precision.unwrap());
        // scikit-learn adds trapezoids up, so it is rounded more than once.
        let auc = said["auc"].as_f64().unwrap();
        assert!((auc - figures.auc.unwrap()).abs() < 1e-12, "{auc} {figures:?}");
    }
}

fn dataset(day: usize) -> Dataset {
    Dataset::from_table(&DAYS[day].table).unwrap()
}

/// The second checkpoint of a run.
fn lineage() -> (Trained, Checkpoint) {
    let test = dataset(4);
    let parent = model::train(None, &dataset(3), &test, 11);
    let trained = model::train(Some(&parent.model), &dataset(2), &test, 11);
    let metadata = Metadata {
        schema_version: SCHEMA_VERSION,
        dataset: "2018-04-03.pkl".into(),
        path: "datasets/training/2018-04-03.pkl".into(),
        dataset_sha256: "0".repeat(64),
        test_sha256: "1".repeat(64),
        seed: 11,
        parent: Some(Parent { file: "model_cpt_2018-04-04.pkl".into(), sha256: "2".repeat(64) }),
        depth: 2,
        training: trained.training_figures.clone(),
        testing: trained.testing_figures.clone(),
    };
    let checkpoint = Checkpoint { model: trained.model.clone(), metadata: Some(metadata) };
    (trained, checkpoint)
}

/// The five real files, where they lie beside the workspace.
fn tutorials_datasets() -> Option<PathBuf> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?;
    let shared = std::env::var_os("LAB_SHARED").map_or_else(|| workspace.join("../shared"), PathBuf::from);
    let datasets = shared.join("tutorial/datasets");
    if !datasets.is_dir() {
        eprintln!("skipped: the tutorial's datasets are not in `{}` (set LAB_SHARED)", datasets.display());
        return None;
    }
    Some(datasets)
}

fn classes(said: &Value) -> Vec<u8> {
    said["classes"].as_array().unwrap().iter().map(|class| class.as_u64().unwrap() as u8).collect()
}

fn decisions(said: &Value) -> Vec<u64> {
    let bits = |text: &Value| u64::from_str_radix(text.as_str().unwrap(), 16).unwrap();
    said["decisions"].as_array().unwrap().iter().map(bits).collect()
}

/// Python with scikit-learn, and a directory to exchange files in.
struct Peer {
    python: PathBuf,
    directory: TempDir,
}

impl Peer {
    /// Every version that is there.
    fn all() -> impl Iterator<Item = Peer> {
        [("LAB_PYTHON", "peers"), ("LAB_PYTHON_NEWEST", "peers-newest")]
            .into_iter()
            .filter_map(|(variable, name)| Peer::find(variable, name))
    }

    fn find(variable: &str, name: &str) -> Option<Peer> {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let made = workspace.join("target").join(name).join("bin/python");
        let found = || if made.exists() { made } else { "python3".into() };
        let python = std::env::var_os(variable).map_or_else(found, PathBuf::from);
        // To ask what is installed takes a hundredth of the time that it takes to import it.
        let versions = "from importlib.metadata import version; version('pandas'); print(version('scikit-learn'))";
        let said = Command::new(&python).args(["-c", versions]).output();
        let Some(said) = said.ok().filter(|output| output.status.success()) else {
            let python = python.display();
            eprintln!("skipped: `{python}` has no pandas and scikit-learn (`cargo xtask peers` makes one that has)");
            return None;
        };
        println!("scikit-learn {}", String::from_utf8_lossy(&said.stdout).trim());
        Some(Peer { python, directory: TempDir::new().unwrap() })
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.directory.path().join(name), bytes).unwrap();
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.directory.path().join(name)).unwrap()
    }

    /// The test day and these days to train on.
    fn write_days(&self, days: &[usize]) {
        self.write("test.csv", csv(&DAYS[4].table).as_bytes());
        days.iter().for_each(|day| self.write(&format!("{day}.day.csv"), csv(&DAYS[*day].table).as_bytes()));
    }

    fn run(&self, command: &str) -> Value {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sklearn/peer.py");
        let output = Command::new(&self.python).arg(script).arg(command).arg(self.directory.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

/// A table as text that reads back to the same bits.
fn csv(table: &Table) -> String {
    let names: Vec<&str> = table.columns().iter().map(|column| column.name()).collect();
    let mut text = names.join(",") + "\n";
    for row in 0..table.rows() {
        for (index, column) in table.columns().iter().enumerate() {
            let end = if index + 1 == names.len() { '\n' } else { ',' };
            match column.values() {
                Values::Int(values) => write!(text, "{}{end}", values[row]),
                Values::Float(values) => write!(text, "{:?}{end}", values[row]),
            }
            .unwrap();
        }
    }
    text
}
