//! Claim the volume; where nothing is claimed, check what a claim is for: that the share can be written to.

use super::{Context, Phase, Step};
use crate::failure::Result;

pub(super) const STEP: Step = Step {
    name: "claim",
    verb: "Claim",
    phase: Phase::Up,
    tutorial: "kubectl apply -f persistent-volume-claim.yaml",
    run,
};

fn run(context: &mut Context<'_>) -> Result<String> {
    context.site()?.up_claim()
}
