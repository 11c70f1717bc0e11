//! What a person would type on target `kind` for each step of the flow, beside the tutorial's own commands.

use crate::target::Commands;

/// By the step's name; the variables are those of the first one.
pub const COMMANDS: &[Commands] = &[
    Commands {
        step: "environment",
        typed: "LAB=~/.local/state/batch-ml-lab/default; export KUBECONFIG=$LAB/kubeconfig\n\
                docker network create lab-default\n\
                KIND_EXPERIMENTAL_DOCKER_NETWORK=lab-default kind create cluster --name lab-default --config manifests/kind.yaml",
    },
    Commands {
        step: "volume",
        typed: "docker build --tag export lab/src/export/image\n\
                docker run --detach --name lab-default-export --network lab-default --cap-add DAC_READ_SEARCH \
                --volume $LAB/export:/export export\n\
                docker inspect --format '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' lab-default-export\n\
                kubectl apply -f manifests/persistent-volume.yaml  (with that address as its server)",
    },
    Commands { step: "claim", typed: "kubectl apply -f manifests/persistent-volume-claim.yaml\nkubectl get pvc" },
    Commands {
        step: "redis",
        typed: "kind load docker-image redis --name lab-default\nkubectl apply -f manifests/redis-pod.yaml\nkubectl get pods",
    },
    Commands { step: "datasets", typed: "kubectl cp datasets redis-leader:/mnt/fileserver/datasets" },
    Commands {
        step: "queue",
        typed: "kubectl exec redis-leader -- redis-cli FLUSHDB\n\
                kubectl exec redis-leader -- redis-cli RPUSH datasets datasets/training/2018-04-01.pkl …",
    },
    Commands { step: "service", typed: "kubectl apply -f manifests/redis-service.yaml" },
    Commands {
        step: "job",
        typed: "kind load image-archive worker.tar --name lab-default\nkubectl delete job workload\nkubectl apply -f manifests/workload.yaml",
    },
    Commands { step: "watch", typed: "kubectl get pods --watch" },
    Commands { step: "logs", typed: "kubectl logs job/workload" },
    Commands { step: "listing", typed: "kubectl exec redis-leader -- ls -1 /mnt/fileserver/output" },
    Commands { step: "report", typed: "kubectl exec redis-leader -- cat /mnt/fileserver/output/report.txt" },
    Commands {
        step: "clean-up",
        typed: "kind delete cluster --name lab-default\ndocker rm --force lab-default-export\ndocker network rm lab-default; rm -r $LAB",
    },
];
