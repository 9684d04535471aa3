//! The resolved document as YAML, each value followed by where it comes from.
//!
//! What is printed is itself a scenario file: origins are comments.

use scenario::{Origin, PathKey, ValueOrigin};
use serde_json::Value;

/// Writes the values of the file `name` as YAML.
pub(super) fn yaml(values: &[ValueOrigin], name: &str) -> String {
    let mut root = Node::default();
    for value in values {
        root.insert(&value.path.0, leaf(value, name));
    }
    let mut text = String::new();
    root.write(0, false, &mut text);
    text
}

/// A place in the document: a value, or places below it in their order.
#[derive(Default)]
struct Node {
    leaf: Option<Leaf>,
    below: Vec<(PathKey, Self)>,
}

struct Leaf {
    value: String,
    origin: String,
}

impl Node {
    fn insert(&mut self, path: &[PathKey], leaf: Leaf) {
        let mut node = self;
        for key in path {
            let at = node.below.iter().position(|(known, _)| known == key).unwrap_or_else(|| {
                node.below.push((key.clone(), Self::default()));
                node.below.len() - 1
            });
            node = &mut node.below[at].1;
        }
        node.leaf = Some(leaf);
    }

    /// Writes what is below; `inline` when the first line goes on after a dash.
    fn write(&self, indent: usize, inline: bool, text: &mut String) {
        for (i, (key, node)) in self.below.iter().enumerate() {
            if !(inline && i == 0) {
                text.push_str(&" ".repeat(indent));
            }
            let head = match key {
                PathKey::Name(name) => format!("{}:", scalar(&Value::String(name.clone()))),
                PathKey::Item(_) => "-".to_owned(),
            };
            text.push_str(&head);
            match &node.leaf {
                Some(leaf) => {
                    text.push_str(&format!(
                        " {:<width$}  # {}\n",
                        leaf.value,
                        leaf.origin,
                        width = COLUMN.saturating_sub(indent + head.len())
                    ));
                }
                None => {
                    let inline = matches!(key, PathKey::Item(_));
                    text.push(if inline { ' ' } else { '\n' });
                    node.write(indent + 2, inline, text);
                }
            }
        }
    }
}

fn leaf(value: &ValueOrigin, name: &str) -> Leaf {
    let origin = match &value.origin {
        Origin::Default => "default".to_owned(),
        Origin::File { line, column } => format!("{name}:{line}:{column}"),
        Origin::Environment(variable) => variable.clone(),
        Origin::Flag(flag) => flag.clone(),
    };
    let value = serde_json::from_str(&value.value).map_or_else(|_| value.value.clone(), |json| scalar(&json));
    Leaf { value, origin }
}

/// A value in one line: YAML where that has one, JSON (which is YAML too) otherwise.
fn scalar(value: &Value) -> String {
    let text = serde_yaml::to_string(value).map(|text| text.trim_end().to_owned()).unwrap_or_default();
    if text.is_empty() || text.contains('\n') { value.to_string() } else { text }
}

/// Where origins stand.
const COLUMN: usize = 44;

#[cfg(test)]
mod tests {
    use scenario::ValuePath;

    use super::*;

    /// A value at keys parted by `/`; those that begin with `#` are numbers of items.
    fn value(path: &str, value: &str, origin: Origin) -> ValueOrigin {
        let key = |key: &str| match key.strip_prefix('#') {
            Some(number) => PathKey::Item(number.parse().unwrap()),
            None => PathKey::Name(key.to_owned()),
        };
        let path = ValuePath(path.split('/').map(key).collect());
        ValueOrigin { path, value: value.to_owned(), origin }
    }

    #[test]
    fn values_print_as_a_document_with_their_origins() {
        let values = [
            value("name", "\"quick: start\"", Origin::File { line: 2, column: 7 }),
            value("scenarios/browse/rate", "\"200/s\"", Origin::Flag("--rate".into())),
            value("scenarios/browse/steps/#0/get", "\"/a\"", Origin::File { line: 9, column: 11 }),
            value("scenarios/browse/steps/#0/name", "\"a\\nb\"", Origin::Default),
            value("scenarios/browse/steps/#1/think", "\"1s\"", Origin::Environment("LOADGEN_X".into())),
            value("thresholds/response_time{step:a.b}/#0", "\"p(99) < 1s\"", Origin::Default),
            value("seed", "7", Origin::Default),
        ];
        let text = yaml(&values, "a.yaml");
        insta::assert_snapshot!(text);
        let back: Value = serde_yaml::from_str(&text).unwrap();
        assert_eq!(back["scenarios"]["browse"]["steps"][0]["name"], "a\nb");
        assert_eq!(back["thresholds"]["response_time{step:a.b}"][0], "p(99) < 1s");
        assert_eq!(back["seed"], 7);
    }

    #[test]
    fn a_mapping_with_numbers_for_keys_is_no_list_and_odd_keys_stay_what_they_are() {
        let given = |path: &str| value(path, "1", Origin::Default);
        let values = ["m/0", "m/1", "l/#0/0", "l/#1/#0", "q/a\"b.c", "q/"];
        let back: Value = serde_yaml::from_str(&yaml(&values.map(given), "a.yaml")).unwrap();
        let expected = serde_json::json!({
            "m": { "0": 1, "1": 1 },
            "l": [{ "0": 1 }, [1]],
            "q": { "a\"b.c": 1, "": 1 },
        });
        assert_eq!(back, expected);
    }
}
