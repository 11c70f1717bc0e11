//! Create the volume: Filestore and the PersistentVolume on it, or what stands in for them.

use super::{Context, Phase, Step};
use crate::failure::Result;

pub(super) const STEP: Step = Step {
    name: "volume",
    verb: "Volume",
    phase: Phase::Up,
    tutorial: "gcloud filestore instances create batch-aiml-filestore --zone=us-central1-b --tier=BASIC_HDD \
               --file-share=name=\"NFSVol\",capacity=1TB --network=name=\"default\"\n\
               kubectl apply -f persistent-volume.yaml",
    run,
};

fn run(context: &mut Context<'_>) -> Result<String> {
    context.site()?.up_volume()
}
