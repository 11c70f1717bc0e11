//! The causes by name: what a verdict calls what it found, and what to do about it.
//!
//! The names are stable: scripts match on them, and each has a bad record or a test that brings it about. A step of the
//! flow that fails names its own cause, e.g. `queue-livelock`, and the verdict passes that on.

/// A kind of objection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cause {
    /// Kebab-case, stable.
    pub name: &'static str,
    /// What to do about it.
    pub remedy: &'static str,
}

macro_rules! causes {
    ($($(#[doc = $doc:literal])* $name:ident = $text:literal, $remedy:literal;)*) => {
        $($(#[doc = $doc])* pub const $name: Cause = Cause { name: $text, remedy: $remedy };)*

        /// Every cause that a judge can name.
        pub const ALL: &[Cause] = &[$($name),*];
    };
}

causes! {
    // The record.
    /// The lab was stopped before the run was over.
    UNFINISHED_RUN = "unfinished-run", "run it again; the record holds what happened until then";
    /// A step failed and yet the run calls itself finished.
    FAILED_STEP = "failed-step", "read the step's error; the record contradicts itself, which is a fault of the lab";
    /// A finished run did not go through the tutorial's steps, each once and in its place.
    SKIPPED_STEP = "skipped-step", "run it again; if `steps.jsonl` lacks the step again, the lab's list of steps is not the tutorial's";
    /// A file of the record is absent or cannot be read.
    MISSING_EVIDENCE = "missing-evidence", "run it again; if the file is missing again, the lab fails to write it";
    /// The record has a layout that these judges do not know.
    UNKNOWN_SCHEMA = "unknown-schema", "judge the record with the judges of the version that wrote it";

    // The inputs.
    /// A file has other bytes than those that the record names.
    DIGEST_MISMATCH = "digest-mismatch", "find out who changed the file after the run began; a dataset must not change while it is trained on";
    /// The inputs are not the datasets that were asked for.
    WRONG_INPUTS = "wrong-inputs", "compare `inputs.json` with what was asked for; the lab copied other files";

    // The Job.
    /// The Job did not complete.
    JOB_NOT_COMPLETE = "job-not-complete", "read the containers' standard error in `logs/`, and the events";
    /// A container ended with a code that nothing in the run explains.
    EXIT_CODE = "exit-code", "read the container's standard error beside its log in `logs/`; the README lists the worker's exit codes";
    /// The Job is over and a container is not.
    CONTAINER_STILL_RUNNING = "container-still-running", "look for what the worker waits for after its queue is empty";

    // The queue.
    /// Before the Job the queue did not hold the datasets in the order of their names, and nothing else.
    WRONG_QUEUE = "wrong-queue", "empty the database before the queue is filled, and push the training paths in the order of their names";
    /// A dataset is nowhere: not waiting, not claimed, not set aside, not reported.
    LOST_DATASET = "lost-dataset", "look in the log for who claimed it last; an item must not leave the queue before its report entry is on the share";
    /// A dataset was gone through or reported more than once, or is in two places at once.
    DATASET_TWICE = "dataset-twice", "make completion idempotent: a dataset that has its report entry is completed, not trained again";
    /// A dataset was never claimed and still waits.
    STILL_WAITING = "still-waiting", "find out why the worker left before the queue was empty";
    /// A dataset was claimed and neither completed nor given back.
    STUCK_IN_PROCESSING = "stuck-in-processing", "give expired claims back: a worker that dies holding one must not keep it";
    /// A dataset could not be used.
    SET_ASIDE_DATASET = "set-aside-dataset", "mend or remove the dataset; `cargo xtask data inspect FILE` says what is in it";
    /// The database holds a key that a finished run leaves behind.
    STRAY_KEY = "stray-key", "delete the key where its item is completed; what stays behind is taken for a claim by the next run";
    /// Something names a dataset that was not queued.
    UNKNOWN_DATASET = "unknown-dataset", "find out where the name comes from; only the items of the queue are datasets of the run";

    // The log.
    /// A line that the tutorial's log does not have in this place.
    UNEXPECTED_LOG_LINE = "unexpected-log-line", "print the tutorial's lines alone on standard output; everything else belongs on standard error";
    /// A container ended as if all were done and its log does not say so.
    LOG_CUT_OFF = "log-cut-off", "flush standard output before the end; a log without its last line looks like a crash";
    /// Datasets were not gone through in the order of the queue.
    LOG_OUT_OF_ORDER = "log-out-of-order", "take from the right end, and give an expired claim back to its old place: the order decides the final model";
    /// Two containers say that they are the same session.
    SESSION_TWICE = "session-twice", "make a new session ID at each start; a lease could not tell the two apart";

    // The listing.
    /// A temporary file was left beside the results.
    STRAY_TEMPORARY_FILE = "stray-temporary-file", "remove the temporary files of a dataset when it is claimed again";
    /// A file that nobody expects lies beside the results.
    STRAY_FILE = "stray-file", "write nothing but the checkpoints and the report into `output/`";
    /// A file that the tutorial lists is not there.
    MISSING_FILE = "missing-file", "publish the checkpoint before the report entry, and both before the completion";
    /// What `ls -1` showed on the share is not what was copied from there.
    WRONG_LISTING = "wrong-listing", "look for who changed `output/` between the listing and the copy; the tutorial's step 12 shows what the folder holds";

    // The report.
    /// An entry of the report is cut off, or two are mixed.
    TORN_REPORT = "torn-report", "publish the report by rename, under a lock; never append in place";
    /// A line of the report is not in the tutorial's grammar.
    MALFORMED_REPORT = "malformed-report", "compare the line with the report's grammar in the tutorial";
    /// The entries, or the times that they name, are not in the order in which the datasets were gone through.
    REPORT_OUT_OF_ORDER = "report-out-of-order", "add the entry when its dataset is completed, at the end";
    /// An entry names another checkpoint than its dataset's.
    WRONG_CHECKPOINT_NAME = "wrong-checkpoint-name", "the checkpoint of `DAY.pkl` is `model_cpt_DAY.pkl`";
    /// An entry was written before the run began or after it ended.
    STALE_REPORT = "stale-report", "empty `output/` before a run; this entry comes from another one";

    // The checkpoints.
    /// A checkpoint does not load.
    UNREADABLE_CHECKPOINT = "unreadable-checkpoint", "publish checkpoints by rename, whole or not at all";
    /// A checkpoint has the bytes of another one, others than those that its child was trained from, or damaged ones.
    WRONG_CHECKPOINT_BYTES = "wrong-checkpoint-bytes", "nothing may write a checkpoint after it is published; look for two workers on one dataset";
    /// A checkpoint was not warm-started from the one before it.
    WRONG_PARENT = "wrong-parent", "continue from the checkpoint of the report's last entry, after a restart as well";
    /// A checkpoint was trained with another seed than the run's.
    WRONG_SEED = "wrong-seed", "hand the run's seed to the worker (`WORKER_SEED`)";
    /// The report claims an accuracy that the checkpoint does not have.
    WRONG_ACCURACY = "wrong-accuracy", "compute the report's figures from the very model that is published";
    /// The checkpoint's own figures are not what the checkpoint predicts.
    WRONG_FIGURES = "wrong-figures", "compute the figures in the metadata from the very model that is published";

    // The thresholds.
    /// The model gives every transaction the same answer.
    CONSTANT_MODEL = "constant-model", "the model learnt nothing: look at its features' scale and at the weights of the rare classes";
    /// A bound would be passed by a model that always gives the same answer.
    VACUOUS_THRESHOLD = "vacuous-threshold", "raise or drop it in `golden/thresholds.toml`, or mark it as a baseline";
    /// A figure is beyond its bound.
    BELOW_THRESHOLD = "below-threshold", "compare with the figures in `golden/thresholds.toml`; if the model changed for the better elsewhere, measure the floors anew";
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A cause's name is kebab-case and stands for one cause.
    #[test]
    fn causes_have_names_of_their_own() {
        let mut names: Vec<_> = ALL.iter().map(|cause| cause.name).collect();
        let kebab = |name: &&str| {
            name.split('-').all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase()))
        };
        assert!(names.iter().all(kebab), "{names:?}");
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len());
    }
}
