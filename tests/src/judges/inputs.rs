//! Judge `inputs`: what went in is what was asked for, byte for byte.

use lab::record::{DatasetsSource, Finding, Inputs};

use crate::causes::{DIGEST_MISMATCH, WRONG_INPUTS};
use crate::evidence::{Evidence, TESTING, TRAINING, finding};

const FILE: &str = "inputs.json";

/// Makes or reads every dataset again and compares it with the digest that the record names.
pub fn hear(evidence: &Evidence) -> Vec<Finding> {
    let Some(inputs) = &evidence.inputs else { return Vec::new() };
    let mut findings = wrong_files(evidence, inputs);
    for file in &inputs.files {
        let line = evidence.line_of(FILE, &file.sha256);
        match evidence.datasets.get(&file.path) {
            Ok(dataset) if dataset.sha256 == file.sha256 => {}
            Ok(dataset) => {
                let message = format!(
                    "`{}` went in with SHA-256 {}, and {} has {}.",
                    file.path,
                    file.sha256,
                    source(inputs, &file.path),
                    dataset.sha256
                );
                findings.push(finding(DIGEST_MISMATCH, message, FILE, line));
            }
            Err(error) => findings.push(finding(
                WRONG_INPUTS,
                format!("`{}` cannot be had again: {error}", file.path),
                FILE,
                line,
            )),
        }
    }
    findings
}

/// Every file is a training day or the test set; there is one test set, and as many days as were asked for.
fn wrong_files(evidence: &Evidence, inputs: &Inputs) -> Vec<Finding> {
    let object = |message: String, needle: &str| finding(WRONG_INPUTS, message, FILE, evidence.line_of(FILE, needle));
    let mut findings = Vec::new();
    let days = inputs.files.iter().filter(|file| file.path.starts_with(TRAINING)).count();
    let tests = inputs.files.iter().filter(|file| file.path == TESTING).count();
    if tests != 1 {
        findings
            .push(object(format!("There must be one test set, `{TESTING}`; the record names {tests}."), "\"files\""));
    }
    if days + tests != inputs.files.len() {
        findings.push(object(
            format!("Of {} files, {days} are training days and {tests} the test set.", inputs.files.len()),
            "\"files\"",
        ));
    }
    match inputs.datasets {
        DatasetsSource::Generated { days: asked, .. } if days != asked as usize => {
            findings
                .push(object(format!("{asked} training days were asked for; the record names {days}."), "\"days\""));
        }
        DatasetsSource::Directory { .. } if days == 0 => {
            findings.push(object("There is no training day.".into(), "\"files\""))
        }
        _ => {}
    }
    findings
}

fn source(inputs: &Inputs, path: &str) -> String {
    match inputs.datasets {
        DatasetsSource::Generated { days, seed } => format!("the simulator's ({days} days, seed {seed})"),
        DatasetsSource::Directory { .. } => format!("the record's copy, `{path}`,"),
    }
}
