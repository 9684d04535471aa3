//! JSON bodies as the file has them: keys in order, texts with references to secrets.

use crate::Text;

/// A JSON value with keys in the order of the file.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i128),
    /// A number with a fraction or exponent; finite.
    Float(f64),
    /// A text.
    Text(Text),
    /// A list.
    Array(Vec<Self>),
    /// An object; keys are unique.
    Object(Vec<(String, Self)>),
}
