//! Clean up: everything that was made is taken away; the records of runs stay.

use super::error::FlowError;
use super::{Context, Phase, Step};
use crate::failure::Result;

pub(super) const STEP: Step = Step {
    name: "clean-up",
    verb: "Clean-up",
    phase: Phase::Down,
    tutorial: "gcloud container clusters delete batch-aiml --region=us-central1\n\
               gcloud filestore instances delete batch-aiml-filestore --zone=us-central1-b",
    run,
};

fn run(context: &mut Context<'_>) -> Result<String> {
    context.site.take().ok_or(FlowError::OutOfOrder("a lab that stands"))?.down()
}
