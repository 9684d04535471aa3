//! Tests of join tokens.

use proptest::prelude::*;

use super::*;

const NOW: WallTime = WallTime::from_unix(1_795_267_715);
const CLUSTER: &str = "0190c0de-0000-7000-8000-000089abcdef";

fn grant(uses: u32) -> JoinGrant {
    JoinGrant { uses, validity: Nanos::from_secs(3600), workers: None }
}

/// Pays for a request that is called `request`, of a worker of a name of its own.
fn redeem(
    ledger: &mut TokenLedger,
    token: &JoinToken,
    request: &str,
    now: WallTime,
) -> Result<(), JoinTokenError> {
    ledger.redeem(token, &format!("w-{request}"), request.as_bytes(), now, NOW.after(Nanos::from_secs(9_000)))
}

fn issued(key: &JoinKey, uses: u32) -> (JoinToken, String) {
    let (token, text) = JoinToken::issue(key, CLUSTER, grant(uses), NOW).unwrap();
    (token, text.expose().to_owned())
}

#[test]
fn a_token_says_what_was_granted_until_it_ends() {
    let key = JoinKey::generate().unwrap();
    let (token, text) = issued(&key, 3);
    assert!(text.starts_with("lgj1_"));
    let read = JoinToken::verify(&key, CLUSTER, &format!(" {text}\n"), NOW).unwrap();
    assert_eq!(read, token);
    let last = WallTime::from_unix(NOW.as_unix() + 3599);
    assert!(JoinToken::verify(&key, CLUSTER, &text, last).is_ok());
    let end = WallTime::from_unix(NOW.as_unix() + 3600);
    assert_eq!(
        JoinToken::verify(&key, CLUSTER, &text, end),
        Err(JoinTokenError::Expired { id: token.id, expired: end, now: end })
    );
}

#[test]
fn a_token_of_another_key_or_cluster_counts_nothing() {
    let key = JoinKey::generate().unwrap();
    let (_, text) = issued(&key, 1);
    let other = JoinKey::generate().unwrap();
    assert_eq!(JoinToken::verify(&other, CLUSTER, &text, NOW), Err(JoinTokenError::Signature));
    assert!(matches!(
        JoinToken::verify(&key, "elsewhere", &text, NOW),
        Err(JoinTokenError::Cluster { here, .. }) if here == "elsewhere"
    ));
    let again = JoinKey::from_text(key.to_text().expose()).unwrap();
    assert!(JoinToken::verify(&again, CLUSTER, &text, NOW).is_ok());
}

#[test]
fn a_token_with_any_bit_flipped_counts_nothing() {
    let key = JoinKey::generate().unwrap();
    let mut tried = 0;
    while tried < 10_000 {
        let (_, text) = issued(&key, 1);
        for bit in 0..8 * text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            tried += 1;
            // A worker sends text; what is none cannot arrive.
            if let Ok(damaged) = String::from_utf8(bytes) {
                assert!(JoinToken::verify(&key, CLUSTER, &damaged, NOW).is_err(), "{damaged}");
            }
        }
    }
}

#[test]
fn a_token_is_good_for_its_uses_and_a_lost_answer_costs_none() {
    let key = JoinKey::generate().unwrap();
    let (token, _) = issued(&key, 2);
    let mut ledger = TokenLedger::default();
    redeem(&mut ledger, &token, "a", NOW).unwrap();
    redeem(&mut ledger, &token, "a", NOW).unwrap();
    redeem(&mut ledger, &token, "b", NOW).unwrap();
    assert_eq!(ledger.uses(&token.id), 2);
    let replayed = redeem(&mut ledger, &token, "c", NOW);
    assert_eq!(replayed, Err(JoinTokenError::UsedUp { id: token.id.clone(), uses: 2 }));
    redeem(&mut ledger, &token, "b", NOW).unwrap();
}

#[test]
fn the_ledger_outlives_a_restart_and_forgets_what_has_ended() {
    let key = JoinKey::generate().unwrap();
    let (token, _) = issued(&key, 1);
    let mut ledger = TokenLedger::default();
    redeem(&mut ledger, &token, "a", NOW).unwrap();
    let kept = serde_json::to_string(&ledger).unwrap();
    let mut ledger: TokenLedger = serde_json::from_str(&kept).unwrap();
    assert!(redeem(&mut ledger, &token, "b", NOW).is_err());

    let later = WallTime::from_unix(NOW.as_unix() + 3600);
    assert!(matches!(redeem(&mut ledger, &token, "a", later), Err(JoinTokenError::Expired { .. })));
    assert_eq!(ledger.uses(&token.id), 0);
    let much_later = WallTime::from_unix(NOW.as_unix() + 9_000);
    assert!(redeem(&mut ledger, &token, "a", much_later).is_err());
    assert_eq!(ledger, TokenLedger::default());
}

#[test]
fn a_request_is_paid_for_one_name_only() {
    let (token, _) = issued(&JoinKey::generate().unwrap(), 1);
    let mut ledger = TokenLedger::default();
    let until = NOW.after(Nanos::from_secs(9_000));
    ledger.redeem(&token, "a", b"request", NOW, until).unwrap();
    let other = ledger.redeem(&token, "b", b"request", NOW, until);
    assert!(matches!(other, Err(JoinTokenError::UsedUp { .. })), "{other:?}");
}

#[test]
fn a_name_that_has_a_certificate_is_only_for_tokens_that_were_made_for_it() {
    let key = JoinKey::generate().unwrap();
    let (first, second) = (issued(&key, 9).0, issued(&key, 9).0);
    let made_for_it = JoinGrant { workers: Some("w*".to_owned()), ..grant(9) };
    let (made_for_it, _) = JoinToken::issue(&key, CLUSTER, made_for_it, NOW).unwrap();
    let mut ledger = TokenLedger::default();
    let until = |seconds| WallTime::from_unix(NOW.as_unix() + seconds);
    ledger.redeem(&first, "w", b"1", NOW, until(1_000)).unwrap();
    for token in [&first, &second] {
        let taken =
            JoinTokenError::Taken { id: token.id.clone(), worker: "w".to_owned(), until: until(1_000) };
        assert_eq!(ledger.redeem(token, "w", b"2", NOW, until(1_000)), Err(taken));
    }
    ledger.redeem(&second, "v", b"2", NOW, until(1_000)).unwrap();
    ledger.redeem(&made_for_it, "w", b"3", NOW, until(1_000)).unwrap();
    // A renewal keeps the name; after its end it is anybody's.
    ledger.renewed("w", until(900), until(1_900));
    assert!(ledger.redeem(&second, "w", b"4", until(1_500), until(3_000)).is_err());
    ledger.redeem(&second, "w", b"4", until(1_900), until(3_000)).unwrap();
}

#[test]
fn a_pattern_binds_a_token_to_names() {
    let key = JoinKey::generate().unwrap();
    let grant = JoinGrant { workers: Some("rack-*-w*".to_owned()), ..grant(1) };
    let (token, _) = JoinToken::issue(&key, CLUSTER, grant, NOW).unwrap();
    token.allows("rack-7-w12").unwrap();
    assert!(matches!(token.allows("rack-7"), Err(JoinTokenError::Worker { .. })));
}

#[test]
fn what_a_grant_may_be_is_bounded() {
    let key = JoinKey::generate().unwrap();
    let refused = |grant| JoinToken::issue(&key, CLUSTER, grant, NOW).unwrap_err();
    assert_eq!(refused(grant(0)), IssueError::Uses(0));
    assert_eq!(refused(grant(10_001)), IssueError::Uses(10_001));
    let broad = JoinGrant { workers: Some("w-? ".to_owned()), ..grant(1) };
    assert_eq!(refused(broad), IssueError::Pattern("w-? ".to_owned()));
    let endless = JoinGrant { validity: Nanos::MAX, ..grant(1) };
    assert_eq!(refused(endless), IssueError::Validity(Nanos::MAX));
}

#[test]
fn the_longest_token_fits_into_its_message() {
    let key = JoinKey::generate().unwrap();
    let workers = Some("*".repeat(64));
    let grant = JoinGrant { uses: JoinToken::MAX_USES, validity: JoinToken::MAX_VALIDITY, workers };
    let (_, text) = JoinToken::issue(&key, CLUSTER, grant, NOW).unwrap();
    JoinToken::verify(&key, CLUSTER, text.expose(), NOW).unwrap();
    assert!(text.expose().len() <= 400, "{}", text.expose().len());
}

#[test]
fn a_key_shows_itself_to_nobody() {
    let key = JoinKey::from_text(&"ab".repeat(32)).unwrap();
    assert_eq!(format!("{key:?} {:?}", key.to_text()), "JoinKey(…) Secret(…)");
}

proptest! {
    #[test]
    fn any_text_is_refused_without_a_panic(text in ".{0,60}") {
        let key = JoinKey::from_text(&"00".repeat(32)).unwrap();
        prop_assert!(JoinToken::verify(&key, CLUSTER, &text, NOW).is_err());
        let prefixed = format!("{PREFIX}{text}");
        prop_assert!(JoinToken::verify(&key, CLUSTER, &prefixed, NOW).is_err());
    }

    #[test]
    fn a_pattern_stands_for_what_its_stars_can_be(parts in prop::collection::vec("[ab]{0,3}", 1..4), fill in prop::collection::vec("[abc]{0,3}", 4)) {
        let pattern = parts.join("*");
        let name: String = parts.iter().zip(&fill).map(|(part, fill)| format!("{part}{fill}")).collect();
        // What stands for the last star must not follow the last part.
        let name = &name[..name.len() - fill[parts.len() - 1].len()];
        prop_assert!(matches(&pattern, name), "{} {}", pattern, name);
        let other = format!("{name}c");
        let open_ended = parts.last().is_some_and(String::is_empty) && parts.len() > 1;
        prop_assert_eq!(matches(&pattern, &other), open_ended, "{} {}", pattern, other);
    }
}
