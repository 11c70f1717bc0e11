//! Paths that stay on the share and paths that do not, and files that appear whole.

use std::io::Write as _;
use std::os::unix::fs::symlink;

use super::*;

fn share() -> (tempfile::TempDir, Share) {
    let directory = tempfile::tempdir().unwrap();
    let share = Share::open(directory.path()).unwrap();
    (directory, share)
}

fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_kernel_without_the_call_gives_no_way_out_either() {
    let (directory, share) = share();
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("file"), "outside").unwrap();
    std::fs::create_dir_all(directory.path().join("a/b")).unwrap();
    std::fs::write(directory.path().join("a/b/file"), "inside").unwrap();
    symlink(outside.path(), directory.path().join("a/out")).unwrap();
    symlink(outside.path().join("file"), directory.path().join("a/file-out")).unwrap();
    symlink("b", directory.path().join("a/within")).unwrap();
    let outside_file = outside.path().join("file");
    let cases = [
        ("a/b/file", true),
        ("./a/./b/file", true),
        ("a/b/../../../file", false),
        ("../file", false),
        ("a/out/file", false),
        ("a/file-out", false),
        ("/etc/hostname", false),
        (outside_file.to_str().unwrap(), false),
        ("a/b/missing", false),
        ("", false),
    ];
    for (path, is_fine) in cases {
        let path = Path::new(path);
        for flags in [OFlags::PATH, OFlags::RDONLY] {
            let (kernel, walk) = (share.open_beneath(path, flags), share.walk_beneath(path, flags | OFlags::CLOEXEC));
            assert_eq!((kernel.is_ok(), walk.is_ok()), (is_fine, is_fine), "{}", path.display());
        }
    }
    assert_eq!(
        share.walk_beneath(Path::new("a/b/../b/file"), OFlags::RDONLY).unwrap_err(),
        Errno::XDEV,
        "it goes down only"
    );
    assert_eq!(
        share.walk_beneath(Path::new("a/within/file"), OFlags::RDONLY).unwrap_err(),
        Errno::NOTDIR,
        "it follows no link"
    );
}

#[test]
fn reading_never_waits_for_a_writer() {
    let (directory, share) = share();
    let pipe = directory.path().join("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, FileType::Fifo, 0o600.into(), 0).unwrap();
    let error = share.read(Path::new("pipe")).unwrap_err().to_string();
    assert_eq!(error, "it is neither a file nor a directory");
    let output = share.output("me").unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, directory.path().join("output/pipe"), FileType::Fifo, 0o600.into(), 0)
        .unwrap();
    assert!(output.read("pipe").unwrap().is_none());
}

#[test]
fn a_file_appears_whole_or_not_at_all() {
    let (directory, share) = share();
    let output = share.output("me").unwrap();
    let path = directory.path().join("output");
    assert!(output.read("file").unwrap().is_none());
    let mut draft = output.draft("file").unwrap();
    assert_eq!(names(&path), [".file.me.tmp"]);
    draft.write(b"first").unwrap();
    assert!(output.read("file").unwrap().is_none(), "it is not there before it is published");
    assert!(draft.publish().unwrap());
    assert_eq!(names(&path), ["file"]);
    let mut draft = output.draft("file").unwrap();
    draft.write(b"second").unwrap();
    drop(draft);
    assert_eq!(names(&path), ["file"], "a draft that is given up leaves nothing");
    assert_eq!(output.read("file").unwrap().unwrap(), b"first");
}

#[test]
fn a_draft_ends_the_drafts_that_others_have_of_the_same_file() {
    let (directory, share) = share();
    let (one, two) = (share.output("one").unwrap(), share.output("two").unwrap());
    let mut late = one.draft("file").unwrap();
    late.write(b"late").unwrap();
    let mut other_file = one.draft("file.pkl").unwrap();
    other_file.write(b"other").unwrap();
    let mut draft = two.draft("file").unwrap();
    draft.write(b"in time").unwrap();
    assert!(draft.publish().unwrap());
    assert!(!late.publish().unwrap(), "its time is over");
    assert_eq!(two.read("file").unwrap().unwrap(), b"in time");
    assert!(other_file.publish().unwrap(), "a draft of another file goes on");
    assert_eq!(names(&directory.path().join("output")), ["file", "file.pkl"]);
}

#[test]
fn what_is_watched_on_nfs_is_not_open_under_a_name_that_is_replaced() {
    let (directory, share) = share();
    let path = directory.path().join("output");
    let (mut one, two) = (share.output("one").unwrap(), share.output("two").unwrap());
    one.is_nfs = true;
    // There is none yet, and there is one with something of an earlier try beside it.
    for _ in 0..2 {
        let mut watched = one.watch("file").unwrap();
        assert_eq!(names(&path), [".file.one-watched.tmp", "file"]);
        let added = std::fs::OpenOptions::new().append(true).open(path.join("file")).unwrap();
        let mut draft = two.draft("file").unwrap();
        draft.write(b"other").unwrap();
        assert!(draft.publish().unwrap());
        (&added).write_all(b"late").unwrap();
        let mut bytes = Vec::new();
        watched.file().unwrap().read_to_end(&mut bytes).unwrap();
        assert!(bytes.ends_with(b"late"), "what comes to the replaced file is seen");
        watched.settle();
        assert!(watched.file().is_none());
        assert_eq!(names(&path), ["file"]);
        std::fs::write(path.join(".file.one-watched.tmp"), "").unwrap();
    }
    // One who died over it leaves the name to whoever drafts the file next.
    std::mem::forget(one.watch("file").unwrap());
    drop(two.draft("file").unwrap());
    assert_eq!(names(&path), ["file"]);
    std::mem::forget(one.watch("file").unwrap());
    one.remove_own_drafts().unwrap();
    assert_eq!(names(&path), ["file"]);
}

#[test]
fn drafts_are_told_apart_by_file_and_by_session() {
    let (directory, share) = share();
    let path = directory.path().join("output");
    let output = share.output("me").unwrap();
    for name in [".a.me.tmp", ".a.you.tmp", ".a.b.you.tmp", ".a.me", "a.me.tmp", "a", ".tmp"] {
        std::fs::write(path.join(name), "").unwrap();
    }
    output.remove_drafts_of("a").unwrap();
    assert_eq!(names(&path), [".a.b.you.tmp", ".a.me", ".tmp", "a", "a.me.tmp"]);
    std::fs::write(path.join(".b.me.tmp"), "").unwrap();
    output.remove_own_drafts().unwrap();
    assert_eq!(names(&path), [".a.b.you.tmp", ".a.me", ".tmp", "a", "a.me.tmp"]);
}

#[test]
fn an_output_that_leads_off_the_share_is_refused() {
    let (directory, share) = share();
    let outside = tempfile::tempdir().unwrap();
    symlink(outside.path(), directory.path().join("output")).unwrap();
    let error = share.output("me").unwrap_err().to_string();
    assert!(error.starts_with("failed to open the directory `"), "{error}");
    assert_eq!(names(outside.path()), [""; 0]);
}

#[test]
fn a_name_that_leaves_no_room_for_its_draft_is_known_beforehand() {
    let (_directory, share) = share();
    let output = share.output(&"s".repeat(36)).unwrap();
    let longest = "n".repeat(255 - 42);
    assert!(Output::has_room_for(&longest));
    assert!(output.draft(&longest).is_ok());
    let longer = "n".repeat(255 - 41);
    assert!(!Output::has_room_for(&longer));
    assert!(output.draft(&longer).is_err());
}

/// A share that answers with an error that passes is asked again; with one that does not, it is believed at once.
#[test]
fn an_error_that_passes_is_waited_for() {
    let after = |errors: &[Errno]| {
        let mut errors = errors.iter().copied();
        let mut asked = 0;
        let answer = patiently(|| {
            asked += 1;
            errors.next().map_or(Ok(()), Err)
        });
        (answer, asked)
    };
    assert_eq!(after(&[Errno::IO, Errno::STALE]), (Ok(()), 3));
    assert_eq!(after(&[Errno::NOENT]), (Err(Errno::NOENT), 1));
    assert_eq!(after(&[Errno::IO; 9]), (Err(Errno::IO), HICCUPS + 1));
    // The same of a whole file, of which only the share's own trouble may pass.
    let share = |errno: Errno| ReadError::Share(ShareError { task: "read", path: "x".into(), source: errno.into() });
    assert!(share(Errno::STALE).passes() && share(Errno::IO).passes());
    assert!(!share(Errno::NOSPC).passes() && !ReadError::Unfit("there is no such file").passes());
}

/// Who may not write to a report may still replace it, if it may write to the directory: a watch only reads.
#[test]
fn what_is_watched_is_opened_for_reading_alone() {
    let dir = tempfile::tempdir().unwrap();
    let output = Share::open(dir.path()).unwrap().output("one").unwrap();
    std::fs::write(dir.path().join("output/report.txt"), "there").unwrap();
    let mut watched = output.watch("report.txt").unwrap();
    let flags = rustix::fs::fcntl_getfl(watched.file().unwrap()).unwrap();
    assert_eq!(flags & OFlags::RWMODE, OFlags::RDONLY);
}
