//! What a person would type on target `gke` for each step of the flow: the tutorial's own commands.

use crate::target::Commands;

/// By the step's name. The lab adds its label, its project and `--async` to those that create something.
pub const COMMANDS: &[Commands] = &[
    Commands {
        step: "environment",
        typed: "gcloud container clusters create-auto batch-aiml --region=us-central1\n\
                gcloud container clusters get-credentials batch-aiml --region=us-central1",
    },
    Commands {
        step: "volume",
        typed: "gcloud filestore instances create batch-aiml-filestore --zone=us-central1-b --tier=BASIC_HDD \
                --file-share=name=\"NFSVol\",capacity=1TB --network=name=\"default\"\n\
                gcloud filestore instances list --zone=us-central1-b\n\
                kubectl apply -f manifests/persistent-volume.yaml  (with the instance's IP_ADDRESS as its server)",
    },
    Commands { step: "claim", typed: "kubectl apply -f manifests/persistent-volume-claim.yaml\nkubectl get pvc" },
    Commands { step: "redis", typed: "kubectl apply -f manifests/redis-pod.yaml\nkubectl get pods" },
    Commands { step: "datasets", typed: "kubectl cp datasets redis-leader:/mnt/fileserver/datasets" },
    Commands {
        step: "queue",
        typed: "kubectl exec redis-leader -- redis-cli FLUSHDB\n\
                kubectl exec redis-leader -- redis-cli RPUSH datasets datasets/training/2018-04-01.pkl …",
    },
    Commands { step: "service", typed: "kubectl apply -f manifests/redis-service.yaml" },
    Commands {
        step: "job",
        typed: "docker push us-central1-docker.pkg.dev/PROJECT/batch-aiml/worker\nkubectl apply -f manifests/workload.yaml  (with that image by its digest)",
    },
    Commands { step: "watch", typed: "kubectl get pods --watch" },
    Commands { step: "logs", typed: "kubectl logs job/workload" },
    Commands { step: "listing", typed: "kubectl exec redis-leader -- ls -1 /mnt/fileserver/output" },
    Commands { step: "report", typed: "kubectl exec redis-leader -- cat /mnt/fileserver/output/report.txt" },
    Commands {
        step: "clean-up",
        typed: "gcloud container clusters delete batch-aiml --region=us-central1\n\
                gcloud filestore instances delete batch-aiml-filestore --zone=us-central1-b",
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::TUTORIAL;

    /// Every step has its commands, and each gcloud line of the tutorial stands among them word for word.
    #[test]
    fn the_commands_are_the_tutorials() {
        let steps: Vec<_> = COMMANDS.iter().map(|commands| commands.step).collect();
        assert_eq!(steps, TUTORIAL.iter().map(|step| step.name).collect::<Vec<_>>());
        let mut gcloud = 0;
        for (step, commands) in TUTORIAL.iter().zip(COMMANDS) {
            for line in step.tutorial.lines().filter(|line| line.starts_with("gcloud ")) {
                assert!(commands.typed.lines().any(|typed| typed == line), "`{line}` in {}", commands.typed);
                gcloud += 1;
            }
        }
        assert_eq!(gcloud, 4, "cluster and share, made and removed");
    }
}
