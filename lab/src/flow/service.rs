//! Make Redis a service, and reach it as the worker will.

use super::{Context, Phase, Step};
use crate::failure::Result;

pub(super) const STEP: Step =
    Step { name: "service", verb: "Service", phase: Phase::Run, tutorial: "kubectl apply -f redis-service.yaml", run };

fn run(context: &mut Context<'_>) -> Result<String> {
    context.site()?.up_service()
}
