//! Help texts, as users see them.

use crate::harness::Place;

#[test]
fn help_texts() {
    let place = Place::new("help");
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("help");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        let top = place.loadgen(&["--help"]).expect(0);
        insta::assert_snapshot!("loadgen", top.stdout);
        for sub in [
            "run",
            "http",
            "controller",
            "worker",
            "status",
            "stop",
            "set-rate",
            "pause",
            "resume",
            "drain",
            "validate",
            "plan",
            "schema",
            "new",
            "demo-target",
            "limits",
            "selftest",
            "completions",
        ] {
            let help = place.loadgen(&[sub, "--help"]).expect(0);
            assert!(top.stdout.contains(&format!("  {sub} ")), "`loadgen --help` does not list `{sub}`");
            assert!(help.stdout.contains("Examples:"), "`loadgen {sub} --help` has no examples");
            insta::assert_snapshot!(sub, help.stdout);
        }
        for words in [
            &["controller", "token", "join"][..],
            &["controller", "token", "api"],
            &["controller", "token", "list"],
            &["controller", "token", "revoke"],
            &["controller", "certificate", "revoke"],
        ] {
            let help = place.loadgen(&[words, &["--help"]].concat()).expect(0);
            assert!(help.stdout.contains("Examples:"), "`loadgen {}` has no examples", words.join(" "));
            insta::assert_snapshot!(words.join("-"), help.stdout);
        }
    });
}

#[test]
fn completions_are_scripts_of_their_shell() {
    let place = Place::new("completions");
    for (shell, holds) in
        [("bash", "complete -F"), ("zsh", "#compdef loadgen"), ("fish", "complete -c loadgen")]
    {
        let script = place.loadgen(&["completions", shell]).expect(0).stdout;
        assert!(script.contains(holds) && script.contains("demo-target"), "{shell}");
    }
}
