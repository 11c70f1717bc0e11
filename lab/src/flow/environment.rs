//! Create the environment: the cluster, or on `local` the lab's own directory.

use super::{Context, Phase, Step};
use crate::failure::Result;

pub(super) const STEP: Step = Step {
    name: "environment",
    verb: "Environment",
    phase: Phase::Up,
    tutorial: "gcloud container clusters create-auto batch-aiml --region=us-central1",
    run,
};

fn run(context: &mut Context<'_>) -> Result<String> {
    context.site()?.up_environment()
}
