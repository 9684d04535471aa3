//! What `loadgen new` writes.

/// A commented scenario for `url` to start from; `rate` and `duration` as a file has them.
///
/// The texts are put in as they are: what is wrong with them is found when the file is read.
pub fn template(url: &str, rate: &str, duration: &str) -> String {
    let quoted = |text: &str| serde_json::to_string(text).expect("a text can be written");
    let (url, rate, duration) = (quoted(url), quoted(rate), quoted(duration));
    format!(
        "\
# yaml-language-server: $schema=scenario.schema.json
# `loadgen schema > scenario.schema.json` writes the schema for your editor.
#
# Check this file with `loadgen validate FILE`, see what would be sent with `loadgen plan FILE`,
# and run it with `loadgen run FILE`.
name: my first scenario

# Where requests go. `demo://` is a target built into loadgen.
target:
  url: {url}
  # headers: {{ authorization: \"Bearer ${{secret.TOKEN}}\" }}

scenarios:
  browse:
    # Starts iterations by schedule, whatever the target does. A fixed number of users that wait for
    # each other's end would be `constant-vus` with `vus: 10`.
    executor: constant-arrival-rate
    rate: {rate}
    # Sent, but in no statistic.
    warm_up: 1s
    duration: {duration}
    steps:
      - get: /
        checks: {{ status: 200 }}
      # More steps run one after the other:
      # - think: 250ms..1s
      # - post: /orders
      #   json: {{ sku: 17 }}
      #   timeout: 2s

# What must hold for the run to pass (exit code 0).
thresholds:
  response_time: [\"p(99) < 500ms\"]
  failed: [\"rate < 1%\"]
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Environment, Folder, Overrides, Source, load};

    #[test]
    fn what_is_written_is_valid() {
        for url in ["demo://", "https://example.com/a\"b"] {
            let bytes = template(url, "50/s", "10s").into_bytes();
            let source = Source { name: "new.yaml".to_owned(), bytes };
            let loaded =
                load(source, &Overrides::none(), &Environment::empty(), &mut Folder::new(".", false));
            assert_eq!(loaded.diagnostics.render(false), "");
            assert!(loaded.workload.is_some());
        }
    }
}
