use testkit::Scratch;

use super::*;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_token_that_everybody_may_read_is_refused_with_the_cure() {
    let place = Scratch::new("secrets-token");
    let path = place.write("t", "lga1_abc\n");
    set_mode(&path, 0o644);
    let error = read_token(&path).unwrap_err().to_string();
    assert!(error.contains("chmod 600") && error.contains("644"), "{error}");
    for fine in [0o600, 0o400, 0o640] {
        set_mode(&path, fine);
        assert_eq!(read_token(&path).unwrap().expose(), "lga1_abc");
    }
}

#[test]
fn a_token_is_the_first_line_and_nothing_else() {
    let read = |text: &str| token_from(text.as_bytes(), Path::new("-"));
    assert_eq!(read("\n lgj1_x.y \r\nnext").unwrap().expose(), "lgj1_x.y");
    for wrong in ["", "\n\n", "two words", "\u{7f}", "caf\u{e9}"] {
        assert!(read(wrong).unwrap_err().to_string().contains("holds no token"), "{wrong:?}");
    }
    let long = "x".repeat(1 << 20);
    assert!(read(&long).unwrap().expose().len() <= MOST_TOKEN_BYTES as usize);
}

#[test]
fn what_is_written_is_for_its_owner_only_and_replaced_whole() {
    let place = Scratch::new("secrets-write");
    let folder = place.join("a/b");
    private_folder(&folder).unwrap();
    assert_eq!(mode(&folder), 0o700);
    let path = folder.join("key");
    replace(&path, b"one").unwrap();
    replace(&path, b"two").unwrap();
    assert_eq!((mode(&path), read_private(&path).unwrap().unwrap()), (0o600, b"two".to_vec()));
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "no temporary file is left");
    assert!(create(&path, "three").unwrap_err().to_string().contains("exists"));
    create(&folder.join("token"), "t\n").unwrap();
    assert_eq!(mode(&folder.join("token")), 0o600);
    assert!(read_private(&folder.join("none")).unwrap().is_none());
}

#[test]
fn a_folder_or_key_that_others_may_look_into_is_refused() {
    let place = Scratch::new("secrets-open");
    let folder = place.join("state");
    private_folder(&folder).unwrap();
    replace(&folder.join("key"), b"k").unwrap();
    set_mode(&folder, 0o755);
    assert!(private_folder(&folder).unwrap_err().to_string().contains("chmod 700"));
    set_mode(&folder.join("key"), 0o640);
    assert!(read_private(&folder.join("key")).unwrap_err().to_string().contains("chmod 600"));
}
