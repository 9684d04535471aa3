use std::collections::BTreeSet;

use super::*;

/// A folder that goes when the test is over.
struct Scratch(PathBuf);

impl Scratch {
    fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("loadgen-output-{}-{test}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn names(&self) -> BTreeSet<String> {
        fs::read_dir(&self.0)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn run() -> RunId {
    RunId::new("0190f0f0-0000-7000-8000-0000deadbeef".parse().unwrap())
}

fn manifest(of: &str) -> String {
    format!("manifest of {of}")
}

fn prepare(destination: &Destination, base: &Path) -> Result<Output, OutputError> {
    Output::prepare(destination, base, "2026-01-02T03:04:05Z".parse().unwrap(), run())
}

#[test]
fn the_folder_is_made_before_and_latest_points_at_it_after_the_run() {
    let scratch = Scratch::new("folder");
    let mut output = prepare(&Destination::Folder, &scratch.0).unwrap();
    let folder = scratch.0.join("loadgen-results/20260102T030405Z-deadbeef");
    assert!(folder.is_dir());
    assert_eq!(output.write("{}", manifest).unwrap(), Some(folder.join("result.json")));
    drop(output);
    assert_eq!(fs::read_to_string(scratch.0.join("loadgen-results/latest/result.json")).unwrap(), "{}");
    assert_eq!(fs::read_to_string(folder.join("run.json")).unwrap(), "manifest of result.json");
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 2, "no temporary file stays");
    let mut second =
        Output::prepare(&Destination::Folder, &scratch.0, "2026-01-02T03:04:06Z".parse().unwrap(), run())
            .unwrap();
    second.write("{\"second\":1}", manifest).unwrap();
    assert_eq!(
        fs::read_to_string(scratch.0.join("loadgen-results/latest/result.json")).unwrap(),
        "{\"second\":1}"
    );
}

#[test]
fn a_run_that_never_was_leaves_no_folder_and_no_file() {
    let scratch = Scratch::new("refused");
    drop(prepare(&Destination::Folder, &scratch.0).unwrap());
    assert_eq!(fs::read_dir(scratch.0.join("loadgen-results")).unwrap().count(), 0);
    drop(prepare(&Destination::File("result.json".into()), &scratch.0).unwrap());
    assert_eq!(scratch.names(), BTreeSet::from(["loadgen-results".to_owned()]));
}

#[test]
fn a_file_is_replaced_whole_and_a_link_followed() {
    let scratch = Scratch::new("file");
    fs::write(scratch.0.join("real.json"), "before").unwrap();
    symlink("real.json", scratch.0.join("link.json")).unwrap();
    let mut output = prepare(&Destination::File("link.json".into()), &scratch.0).unwrap();
    assert_eq!(fs::read_to_string(scratch.0.join("real.json")).unwrap(), "before");
    output.write("after", manifest).unwrap();
    drop(output);
    assert_eq!(fs::read_to_string(scratch.0.join("real.json")).unwrap(), "after");
    assert_eq!(
        scratch.names(),
        BTreeSet::from(["link.json", "real.json", "real.run.json"].map(str::to_owned))
    );
    assert_eq!(fs::read_to_string(scratch.0.join("real.run.json")).unwrap(), "manifest of real.json");
}

#[test]
fn a_manifest_that_cannot_be_written_costs_no_result() {
    let scratch = Scratch::new("manifest");
    fs::create_dir(scratch.0.join("r.run.json")).unwrap();
    let mut output = prepare(&Destination::File("r.json".into()), &scratch.0).unwrap();
    assert_eq!(output.write("{}", manifest).unwrap(), Some(scratch.0.join("r.json")));
    drop(output);
    assert_eq!(scratch.names(), BTreeSet::from(["r.json", "r.run.json"].map(str::to_owned)));
}

#[test]
fn a_place_that_cannot_be_written_is_known_before_the_run() {
    let scratch = Scratch::new("unwritable");
    let message = |destination: Destination| prepare(&destination, &scratch.0).unwrap_err().to_string();
    assert!(message(Destination::File("no/such/folder/r.json".into())).contains("make its folder first"));
    assert!(message(Destination::File(".".into())).contains("cannot write"));
    fs::write(scratch.0.join("loadgen-results"), "a file").unwrap();
    assert!(message(Destination::Folder).contains("cannot make the folder"));
}

#[test]
fn a_full_device_is_an_error_and_stays_a_device() {
    let scratch = Scratch::new("full");
    let mut output = prepare(&Destination::File("/dev/full".into()), &scratch.0).unwrap();
    assert!(output.write("{}", manifest).unwrap_err().to_string().contains("make room"));
    assert!(fs::metadata("/dev/full").unwrap().file_type().is_char_device());
}

#[test]
fn flags_and_keys_name_the_destination() {
    assert_eq!(Destination::of(true, Some("x")), Destination::Nowhere);
    assert_eq!(Destination::of(false, Some("-")), Destination::Stdout);
    assert_eq!(Destination::of(false, Some("x")), Destination::File("x".into()));
    assert_eq!(Destination::of(false, None), Destination::Folder);
}

#[test]
fn a_link_stays_and_what_it_names_is_written_whether_it_is_there_or_not() {
    let scratch = Scratch::new("links");
    fs::create_dir(scratch.0.join("folder")).unwrap();
    symlink("folder/there.json", scratch.0.join("link")).unwrap();
    symlink("link", scratch.0.join("second")).unwrap();
    for content in ["first", "again"] {
        let mut output = prepare(&Destination::File("second".into()), &scratch.0).unwrap();
        assert_eq!(output.write(content, manifest).unwrap(), Some(scratch.0.join("folder/there.json")));
        assert_eq!(fs::read_to_string(scratch.0.join("folder/there.json")).unwrap(), content);
    }
    assert_eq!(fs::read_link(scratch.0.join("link")).unwrap(), Path::new("folder/there.json"));
    symlink("round", scratch.0.join("round")).unwrap();
    assert!(prepare(&Destination::File("round".into()), &scratch.0).is_err());
    symlink("nowhere/x", scratch.0.join("broken")).unwrap();
    let error = prepare(&Destination::File("broken".into()), &scratch.0).unwrap_err().to_string();
    assert!(error.contains("make its folder first"), "{error}");
}
