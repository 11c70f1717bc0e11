//! Start Redis, and wait until it serves.

use super::{Context, Phase, Step};
use crate::failure::Result;

pub(super) const STEP: Step = Step {
    name: "redis",
    verb: "Redis",
    phase: Phase::Up,
    tutorial: "kubectl apply -f redis-pod.yaml\nkubectl get pods",
    run,
};

fn run(context: &mut Context<'_>) -> Result<String> {
    context.site()?.up_redis()
}
