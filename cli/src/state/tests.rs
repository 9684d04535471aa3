use std::fs;
use std::os::unix::fs::PermissionsExt;

use testkit::Scratch;
use units::Nanos;

use super::*;

fn folder(name: &str) -> (Scratch, PathBuf) {
    let scratch = Scratch::new(name);
    let folder = scratch.join("state");
    (scratch, folder)
}

#[test]
fn a_second_start_is_the_same_cluster_in_a_later_life() {
    let (_scratch, folder) = folder("state-twice");
    let first = ControllerState::open(&folder).unwrap();
    let (cluster, fingerprint) = (first.cluster, first.authority.fingerprint());
    assert_eq!(first.epoch, Epoch(1));
    drop(first);
    let second = ControllerState::open(&folder).unwrap();
    assert_eq!((second.cluster, second.epoch), (cluster, Epoch(2)));
    assert_eq!(second.authority.fingerprint(), fingerprint);
    let admin = secrets::read_token(&folder.join(ADMIN_TOKEN)).unwrap();
    assert_eq!(second.tokens.verify(admin.expose()).unwrap().role, Role::Admin);
}

#[test]
fn everything_in_the_folder_is_its_owners_alone() {
    let (_scratch, folder) = folder("state-modes");
    drop(ControllerState::open(&folder).unwrap());
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

#[test]
fn two_controllers_never_serve_with_one_state() {
    let (_scratch, folder) = folder("state-lock");
    let first = ControllerState::open(&folder).unwrap();
    assert!(matches!(ControllerState::open(&folder), Err(StateError::InUse(_))));
    drop(first);
    assert!(ControllerState::open(&folder).is_ok());
}

#[test]
fn tokens_are_made_and_revoked_beside_a_controller_that_serves() {
    let (_scratch, folder) = folder("state-tokens");
    let missing = make_api_token(&folder, Role::Run, None).unwrap_err();
    assert!(missing.to_string().contains("start `loadgen controller` once"), "{missing}");
    // Looking at it leaves nothing in a folder that is something else's.
    fs::create_dir(&folder).unwrap();
    assert!(matches!(Admission::read(&folder), Err(StateError::Missing(_))));
    fs::remove_dir(&folder).unwrap();
    let serving = ControllerState::open(&folder).unwrap();
    let (id, text) = make_api_token(&folder, Role::Run, None).unwrap();
    assert_eq!(Admission::read(&folder).unwrap().tokens.verify(text.expose()).unwrap().role, Role::Run);
    assert!(revoke_api_token(&folder, &id).unwrap() && !revoke_api_token(&folder, &id).unwrap());
    assert!(Admission::read(&folder).unwrap().tokens.verify(text.expose()).is_err());
    revoke_worker(&folder, "host-7").unwrap();
    assert!(Admission::read(&folder).unwrap().revocations.workers.contains("host-7"));
    let grant = JoinGrant { uses: 2, validity: Nanos::from_secs(60), workers: None };
    let (id, text) = make_join_token(&folder, grant).unwrap();
    let cluster = serving.cluster.to_string();
    let read = JoinToken::verify(&serving.join_key, &cluster, text.expose(), WallTime::now()).unwrap();
    assert_eq!((read.id, read.uses), (id, 2));
}

#[test]
fn a_damaged_file_is_named_with_what_to_do() {
    let (_scratch, folder) = folder("state-damaged");
    drop(ControllerState::open(&folder).unwrap());
    secrets::replace(&folder.join(TOKENS), b"{").unwrap();
    let error = ControllerState::open(&folder).unwrap_err().to_string();
    assert!(error.contains("tokens.json") && error.contains("is damaged"), "{error}");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    assert!(ControllerState::open(&folder).unwrap_err().to_string().contains("chmod 700"));
}

#[test]
fn state_is_where_the_user_keeps_state() {
    let of = |xdg: Option<&str>, home: Option<&str>| {
        let variable = |name: &str| if name == "HOME" { home } else { xdg }.map(PathBuf::from);
        Folders::of(variable).controller
    };
    assert_eq!(of(Some("/x"), Some("/h")), Path::new("/x/loadgen/controller"));
    assert_eq!(of(Some("relative"), Some("/h")), Path::new("/h/.local/state/loadgen/controller"));
    assert_eq!(of(None, None), Path::new("loadgen-state/controller"));
}
