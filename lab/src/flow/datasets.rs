//! Copy the datasets to the share, and see that they arrived.

use super::error::FlowError;
use super::{Context, Phase, Step};
use crate::console::{plural, size};
use crate::datasets::{DatasetFile, Source};
use crate::failure::{Failure, Result};
use crate::interrupt;
use crate::record::{InputFile, Inputs};
use crate::target::Share;

pub(super) const STEP: Step = Step {
    name: "datasets",
    verb: "Datasets",
    phase: Phase::Run,
    tutorial: "kubectl cp datasets redis-leader:/mnt/fileserver/datasets",
    run,
};

fn run(context: &mut Context<'_>) -> Result<String> {
    let (console, places) = (context.console, context.places);
    let (site, run) = context.site_and_run()?;
    let order = run.order;
    let files = order.datasets.files(&places.cache, console)?;
    let share = site.share();
    let cleared = share.clear().map_err(|source| FlowError::Share { path: ".".into(), source })?;
    let total_bytes: u64 = files.iter().map(|file| file.bytes).sum();
    let bar = console.bytes(STEP.verb, total_bytes);
    let mut inputs = Vec::new();
    for file in &files {
        interrupt::check()?;
        bar.say(file.path.as_str());
        inputs.push(copy(share, file, &|bytes| bar.add(bytes))?);
        if let Source::Directory(_) = order.datasets {
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

fn copy(share: &dyn Share, file: &DatasetFile, progress: &dyn Fn(u64)) -> Result<InputFile, Failure> {
    let path = file.path.clone();
    let failed = |source| FlowError::Copy { path: path.clone(), source };
    let read = share.put(&file.source, &path, progress).map_err(failed)?;
    let found = share.digest(&path).map_err(failed)?;
    if read != found {
        return Err(FlowError::CopyDamaged { path, read, found }.into());
    }
    Ok(InputFile { path, bytes: file.bytes, sha256: read })
}

fn is_training(path: &str) -> bool {
    path.starts_with("datasets/training/")
}
