//! Each state that time will not mend, brought about on a real cluster: the lab knows it by its name, tells it in the
//! words of whoever noticed it, ends with the right code, and stays to be looked at.

use lab::manifests::NODE_DIRECTORY;

use crate::harness::{Image, Place, Running, Said, docker, or_skip};
use crate::said;

/// A state, how to bring it about, and how to undo that.
struct Trouble {
    /// The cause's name, which is the snapshot's, too.
    cause: &'static str,
    /// What stands behind the cause's name in the snapshot's, where two states share a cause.
    which: &'static str,
    /// The exit code.
    code: i32,
    /// What a run is given, beside what every run is.
    arguments: &'static [&'static str],
    before: fn(&Place),
    /// What is done while it runs.
    meanwhile: fn(&Place, &mut Running),
    after: fn(&Place),
}

/// A worker that understands no word of its command line.
const CRASHES: Image =
    Image { name: "localhost/batch-ml-lab-test/crashes:1", entrypoint: r#"["/worker", "--nonsense"]"# };
/// An image without the program that it names.
const NO_PROGRAM: Image = Image { name: "localhost/batch-ml-lab-test/no-program:1", entrypoint: r#"["/nowhere"]"# };

const TROUBLES: &[Trouble] = &[
    Trouble {
        cause: "image-missing",
        which: "-in-docker",
        code: 3,
        arguments: &["--worker-image", "localhost/batch-ml-lab-test/nowhere:1"],
        ..NOTHING
    },
    // The node says for some seconds more that it has the image, and the lab believes it, as after a kubelet's clean-up.
    Trouble {
        cause: "image-missing",
        which: "-on-the-node",
        before: |place| {
            place.run("e2e", &["--keep"]).assert_code(0);
            place.wait_for_worker_on_node(true);
            let images = place.on_spot_node("ctr --namespace k8s.io images list --quiet | grep batch-ml-lab/worker");
            place.on_spot_node(&format!("ctr --namespace k8s.io images remove {}", images.replace('\n', " ")));
        },
        // Until the node has told the API server of it, nobody would load it again.
        after: |place| place.wait_for_worker_on_node(false),
        ..NOTHING
    },
    Trouble { cause: "worker-not-started", arguments: &["--worker-image", NO_PROGRAM.name], ..NOTHING },
    Trouble {
        cause: "quota-exceeded",
        before: |place| {
            // Redis's pod is the one that fits.
            remove_job(place);
            place.kubectl(&["create", "quota", "one-pod", "--hard=pods=1"]);
        },
        after: |place| drop(place.kubectl(&["delete", "quota", "one-pod"])),
        ..NOTHING
    },
    Trouble {
        cause: "unschedulable",
        before: |place| drop(place.kubectl(&["cordon", &place.node("worker")])),
        after: |place| drop(place.kubectl(&["uncordon", &place.node("worker")])),
        ..NOTHING
    },
    // The share's directory is taken from the node and given back.
    Trouble {
        cause: "mount-failed",
        before: |place| {
            let dir = NODE_DIRECTORY;
            place.on_spot_node(&format!("mkdir /aside && mount --bind {dir} /aside && umount {dir} && rmdir {dir}"));
        },
        after: |place| {
            let dir = NODE_DIRECTORY;
            place.on_spot_node(&format!("mkdir {dir} && mount --bind /aside {dir} && umount /aside && rmdir /aside"));
        },
        ..NOTHING
    },
    // The Job's own limit takes six restarts, minutes; it is lowered once there was one.
    Trouble {
        cause: "job-failed",
        arguments: &["--worker-image", CRASHES.name],
        before: remove_job,
        meanwhile: |place, run| {
            assert_restarted(place, run);
            place.kubectl(&["patch", "job", "workload", "--patch", r#"{"spec":{"backoffLimit":0}}"#]);
        },
        ..NOTHING
    },
    // An API server that is away for some seconds, as while a control plane is changed, is borne: the end is the worker's own.
    Trouble {
        cause: "crash-loop",
        arguments: &["--worker-image", CRASHES.name],
        before: remove_job,
        meanwhile: |place, run| {
            assert_restarted(place, run);
            docker(&["exec", &place.node("control-plane"), "pkill", "-KILL", "kube-apiserver"]);
        },
        ..NOTHING
    },
];

/// So that what is seen of a Job is of the next run's.
fn remove_job(place: &Place) {
    place.kubectl(&["delete", "job", "workload", "--ignore-not-found"]);
}

/// The worker's container is started once more while the run goes on.
#[track_caller]
fn assert_restarted(place: &Place, run: &mut Running) {
    let restarts = "jsonpath={.items[*].status.containerStatuses[*].restartCount}";
    let restarted = run
        .wait_until(|| place.kubectl(&["get", "pods", "--selector", "job-name=workload", "--output", restarts]) == "1");
    assert!(restarted, "the worker's container was not started again");
}

/// The rest of a row.
const NOTHING: Trouble =
    Trouble { cause: "", which: "", code: 5, arguments: &[], before: |_| (), meanwhile: |_, _| (), after: |_| () };

/// Each state ends a run at once, by its name and in the words of scheduler, kubelet or Job controller; the lab stays,
/// the verdict says how to look and how to clean up, and once the trouble is mended the same lab is green again.
#[test]
fn each_terminal_state_is_told_by_its_name() {
    let place = or_skip!(Place::new(1));
    let _images = [CRASHES.build(&place), NO_PROGRAM.build(&place)];
    place.run("up", &[]).assert_code(0);
    for trouble in TROUBLES {
        (trouble.before)(&place);
        let mut run = place.start(place.command("e2e", trouble.arguments));
        (trouble.meanwhile)(&place, &mut run);
        let said = run.wait();
        said::compare_verdict(&format!("{}{}", trouble.cause, trouble.which), &place, &said);
        said.assert_code(trouble.code);
        if trouble.code == 5 {
            assert_red_and_kept(&place, trouble, &said);
        }
        (trouble.after)(&place);
    }
    place.run("e2e", &["--keep"]).assert_code(0);
    place.assert_kubeconfig_untouched();
}

/// The same while the lab is stood up: Redis's pod finds no node, and `up` ends as a lab's fault, in the scheduler's words.
#[test]
fn a_lab_that_cannot_stand_says_why() {
    let place = or_skip!(Place::new(1));
    place.run("up", &[]).assert_code(0);
    place.kubectl(&["cordon", &place.node("control-plane")]);
    place.kubectl(&["delete", "pod", "redis-leader"]);
    let said = place.run("up", &[]);
    place.kubectl(&["uncordon", &place.node("control-plane")]);
    said.assert_code(4);
    let told = "failed to start Redis: pod `redis-leader`: unschedulable for";
    assert!(said.err.contains(told) && said.err.contains("0/2 nodes are available"), "{}", said.err);
    place.run("up", &[]).assert_code(0);
    place.assert_up(place.name(), "after the node was given back");
}

#[track_caller]
fn assert_red_and_kept(place: &Place, trouble: &Trouble, said: &Said) {
    let (_, verdict) = place.newest_record();
    assert!(!verdict.green, "{}: {}", trouble.cause, said.out);
    let headline = format!("red: {} in step watch\n", trouble.cause);
    assert!(said.out.contains(&headline), "no `{headline}`: {}", said.out);
    for line in ["cargo xtask lab status", "cargo xtask lab down"] {
        assert!(said.out.contains(&format!("{line} --name {}", place.name())), "no `{line}`: {}", said.out);
    }
    place.assert_up(place.name(), trouble.cause);
}
