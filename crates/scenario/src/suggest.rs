//! "Did you mean".

/// The candidate that `word` was probably meant to be.
pub(crate) fn closest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |text: &str| -> String {
        text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
    };
    let meant = plain(word);
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&meant, &plain(candidate)), candidate))
        // A third of the letters may be wrong, in a word of two none.
        .filter(|(distance, candidate)| *distance <= candidate.len().max(meant.len()) / 3)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `did you mean …?`, or the list of what there is.
pub(crate) fn suggestion(word: &str, candidates: &[&str]) -> String {
    match closest(word, candidates.iter().copied()) {
        Some(candidate) => format!("did you mean `{candidate}`?"),
        None => format!("there is {}", listed(candidates)),
    }
}

/// `a`, `b` and `c`.
pub(crate) fn listed(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.as_slice() {
        [] => "nothing".to_owned(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_and_other_spellings_find_the_word() {
        let keys = ["rate", "max_vus", "start_rate", "duration", "graceful_stop"];
        let check = |word: &str, expected: Option<&str>| assert_eq!(closest(word, keys), expected, "{word}");
        check("rat", Some("rate"));
        check("maxVUs", Some("max_vus"));
        check("startRate", Some("start_rate"));
        check("duratoin", Some("duration"));
        check("gracefulStop", Some("graceful_stop"));
        check("colour", None);
        check("", None);
    }

    #[test]
    fn lists_read_as_a_sentence() {
        assert_eq!(listed(&["a"]), "`a`");
        assert_eq!(listed(&["a", "b", "c"]), "`a`, `b` and `c`");
        assert_eq!(suggestion("xyz", &["a", "b"]), "there is `a` and `b`");
    }
}
