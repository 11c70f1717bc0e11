//! Copy the datasets to the share, and see that they arrived.

use super::error::FlowError;
use super::{Context, Phase, Step};
use crate::console::{Bar, plural, size};
use crate::datasets::{DatasetFile, Source};
use crate::failure::Result;
use crate::interrupt;
use crate::record::{InputFile, Inputs};
use crate::target::{Share, Upload};

pub(super) const STEP: Step = Step {
    name: "datasets",
    verb: "Datasets",
    phase: Phase::Run,
    tutorial: "kubectl cp datasets redis-leader:/mnt/fileserver/datasets",
    run,
};

/// Where they lie on the share.
const FOLDER: &str = "datasets";

fn run(context: &mut Context<'_>) -> Result<String> {
    let (console, places) = (context.console, context.places);
    let (site, run) = context.site_and_run()?;
    let order = run.order;
    let files = order.datasets.files(&places.cache, console)?;
    let share = site.share()?;
    let cleared = share.clear().map_err(|source| FlowError::Share { path: ".".into(), source })?;
    let total_bytes: u64 = files.iter().map(|file| file.bytes).sum();
    let bar = console.bytes(STEP.verb, total_bytes);
    let inputs = copy(share, &files, &bar)?;
    if let Source::Directory(_) = order.datasets {
        for file in &files {
            let kept = run.record.keep_dataset(&file.source, &file.path);
            kept.map_err(|source| FlowError::Copy { path: file.path.clone(), source })?;
        }
    }
    run.items = inputs.iter().map(|file| file.path.clone()).filter(|path| is_training(path)).collect();
    let worker =
        order.worker.as_input().map_err(|source| FlowError::Share { path: order.worker.name().into(), source })?;
    let datasets = order.datasets.as_record();
    run.record.set_inputs(&Inputs { datasets, files: inputs, worker, seed: order.worker_seed })?;
    let made = match &order.datasets {
        Source::Generated { seed, .. } => format!("generated from seed {seed}"),
        Source::Directory(path) => format!("from {}", path.display()),
    };
    let cleared =
        if cleared > 0 { format!("; {} of an earlier run removed", plural(cleared, "file")) } else { String::new() };
    let days = plural(run.items.len(), "training day");
    Ok(format!("{days} and the test set {made}, {}, digests verified{cleared}", size(total_bytes)))
}

/// Copies all files, and holds what was read of each against what lies there afterwards.
fn copy(share: &dyn Share, files: &[DatasetFile], bar: &Bar) -> Result<Vec<InputFile>> {
    let upload = |file: &DatasetFile| Upload { source: file.source.clone(), path: file.path.clone() };
    let uploads: Vec<_> = files.iter().map(upload).collect();
    let failed = |source| FlowError::of_copy(FOLDER, source);
    let read = share.put(&uploads, &|number, bytes| {
        bar.say(uploads[number].path.as_str());
        bar.add(bytes);
    });
    if read.is_err() {
        // It may have been Ctrl-C that ended the copy.
        interrupt::check()?;
    }
    let read = read.map_err(failed)?;
    let mut found = share.digests(FOLDER).map_err(failed)?;
    let mut inputs = Vec::new();
    for (file, read) in files.iter().zip(read) {
        let path = file.path.clone();
        let found = found.remove(&path).unwrap_or_else(|| "none, for it is not there".into());
        if read != found {
            return Err(FlowError::CopyDamaged { path, read, found }.into());
        }
        inputs.push(InputFile { path, bytes: file.bytes, sha256: read });
    }
    Ok(inputs)
}

fn is_training(path: &str) -> bool {
    path.starts_with("datasets/training/")
}
