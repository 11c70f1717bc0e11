//! How the lab speaks: to a person on a terminal, in a pipe, to a script, to a machine.

use std::process::Command;

use crate::harness::{Place, or_skip};
use crate::said;

/// In a pipe the lines are plain, each step once, and what was asked for is on standard output.
#[test]
fn a_run_in_a_pipe_is_plain_lines() {
    let place = or_skip!(Place::new());
    let said = place.finish(place.e2e(&[]));
    said.assert_code(0);
    assert!(!said.out.contains('\x1b') && !said.err.contains('\x1b') && !said.err.contains('\r'));
    said::compare("green", &place, &said);
}

/// `--quiet` leaves the verdict, and errors.
#[test]
fn quiet_leaves_the_verdict() {
    let place = or_skip!(Place::new());
    let said = place.finish(place.e2e(&["--quiet"]));
    said.assert_code(0);
    assert_eq!(said.err, "");
    assert!(said.out.starts_with("     Verdict green: "), "{}", said.out);
    let said = place.run(&["up", "--quiet"]);
    said.assert_code(0);
    assert_eq!((said.out.as_str(), said.err.as_str()), ("", ""));
    let said = place.run(&["down", "-q"]);
    assert_eq!((said.code(), said.out.as_str(), said.err.as_str()), (0, "", ""));
    let said = place.run(&["up", "--quiet", "--redis-server", "/nowhere/redis"]);
    said.assert_code(3);
    assert!(said.err.starts_with("error: failed to use `/nowhere/redis`"), "{}", said.err);
}

/// `--json` is JSON lines on standard output: the run, its steps in order, and the verdict last; nothing on standard
/// error but errors.
#[test]
fn json_is_a_line_an_event() {
    let place = or_skip!(Place::new());
    let said = place.finish(place.e2e(&["--json"]));
    said.assert_code(0);
    assert_eq!(said.err, "");
    let events = said.events();
    let steps: Vec<_> = events.iter().filter(|event| event["event"] == "step").collect();
    let names: Vec<_> = steps.iter().filter_map(|step| step["name"].as_str()).collect();
    let expected =
        "preflight environment volume claim redis datasets queue service job watch logs listing report clean-up";
    assert_eq!(names.join(" "), expected);
    assert!(steps.iter().all(|step| step["seconds"].as_f64().is_some() && step["error"].is_null()));
    let run = events.iter().find(|event| event["event"] == "run").expect("a run");
    let verdict = events.last().expect("a last line");
    assert_eq!(
        (&verdict["event"], &verdict["verdict"], &verdict["exit"]),
        (&"verdict".into(), &"green".into(), &0.into())
    );
    assert_eq!(place.path("").join(verdict["record"].as_str().expect("a path")), place.record());
    assert_eq!(run["record"].as_str(), place.record().to_str());

    let red = place.finish(place.e2e(&["--json", "--worker-cmd", "exit 7", "--job-time-scale", "0.001"]));
    red.assert_code(5);
    let verdict = red.events().pop().expect("a last line");
    let told = [&verdict["verdict"], &verdict["cause"], &verdict["kept"]].map(|value| value.as_str());
    assert_eq!(told, [Some("red"), Some("job-failed"), Some("default")]);
    let missing = place.run(&["up", "--json", "--redis-server", "/nowhere/redis"]);
    missing.assert_code(3);
    let error = missing.events().pop().expect("a last line");
    assert_eq!(
        (&error["event"], &error["cause"], &error["exit"]),
        (&"error".into(), &"redis-unusable".into(), &3.into())
    );
}

/// On a terminal there is colour; NO_COLOR, and only one that is not empty, turns it off; CI turns the bars off.
#[test]
fn colour_is_for_terminals_and_for_who_wants_it() {
    let place = or_skip!(Place::new());
    let on_a_terminal = |variable: &str, value: &str| {
        let mut command: Command = place.wrapped("script", &["-qec", "\"$LAB\" up --target local", "/dev/null"]);
        command.env(variable, value);
        let said = place.finish(command);
        said.assert_code(0);
        said.out
    };
    or_skip!(has_script());
    const GREEN: &str = "\x1b[1;32m";
    const BAR: &str = "\x1b[2K";
    let plain = on_a_terminal("X", "");
    assert!(plain.contains(GREEN), "{plain:?}");
    assert!(plain.contains(BAR), "{plain:?}");
    assert!(on_a_terminal("NO_COLOR", "").contains(GREEN));
    let no_colour = on_a_terminal("NO_COLOR", "1");
    assert!(!no_colour.contains("\x1b[1;") && no_colour.contains("is up already"), "{no_colour:?}");
    let in_ci = on_a_terminal("CI", "true");
    assert!(in_ci.contains(GREEN) && !in_ci.contains(BAR), "{in_ci:?}");
    assert!(!on_a_terminal("TERM", "dumb").contains('\x1b'));
}

/// The help says every command and every exit code, and the version is the workspace's.
#[test]
fn help_says_what_there_is() {
    let place = Place::without_redis();
    let help = place.run(&["--help"]);
    help.assert_code(0);
    for word in ["e2e", "up", "status", "logs", "down", "doctor", "explain", "gc", "143 SIGTERM", "NO_COLOR"] {
        assert!(help.out.contains(word), "`{word}` is not in {}", help.out);
    }
    assert_eq!(place.run(&["--version"]).out, concat!("lab ", env!("CARGO_PKG_VERSION"), "\n"));
}

/// Somebody who reads the first lines only and goes does no harm.
#[test]
fn a_reader_may_go_away() {
    let place = or_skip!(Place::new());
    let said = place.finish(place.wrapped("sh", &["-c", "\"$LAB\" explain | head -n 1; \"$LAB\" status | head -n 0"]));
    assert_eq!((said.code(), said.err.as_str()), (0, ""), "{}", said.err);
    // Of a run, too, which goes on to its end.
    let mut command = place.e2e(&[]);
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let ended = command.stdout(writer.try_clone().expect("a pipe")).stderr(writer).status().expect("the lab starts");
    assert_eq!(ended.code(), Some(0));
    assert_eq!(place.evidence("record.json")["outcome"]["kind"], "finished");
    place.assert_nothing_is_left("after a run that nobody listened to");
}

fn has_script() -> Result<(), &'static str> {
    let version = Command::new("script").arg("--version").output();
    let util_linux = version.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("util-linux"));
    util_linux.then_some(()).ok_or("there is no `script` of util-linux, which would make a terminal")
}
