//! Label selectors: `app in (a,b),tier!=db,!canary`, and the `LabelSelector` objects of the API.

use std::fmt;

use super::{Error, lex};
use crate::{
    Str, Value,
    field::{self, Path},
    names,
};

/// A parsed label selector: terms that must all hold, or nothing at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels {
    terms: Vec<Requirement>,
    nothing: bool,
}

/// What a term asks of a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operator {
    /// `key in (a,b)`
    In,
    /// `key notin (a,b)`; holds where there is no label.
    NotIn,
    /// `key=a`
    Equals,
    /// `key==a`
    DoubleEquals,
    /// `key!=a`; holds where there is no label.
    NotEquals,
    /// `key`
    Exists,
    /// `!key`
    DoesNotExist,
    /// `key>1`
    GreaterThan,
    /// `key<1`
    LessThan,
}

/// One term.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    key: Str,
    operator: Operator,
    values: Vec<Str>,
}

impl Requirement {
    /// A checked term.
    ///
    /// # Errors
    /// Key, values, or their number do not suit the operator.
    pub fn new(key: &str, operator: Operator, values: Vec<Str>) -> Result<Self, Error> {
        use Operator::{DoesNotExist, DoubleEquals, Equals, Exists, GreaterThan, In, LessThan, NotEquals, NotIn};
        let mut errors = Vec::new();
        let at = Path::new("values");
        let listed = || values.iter().cloned().map(Value::from).collect::<Vec<_>>();
        errors.extend(key_error(&Path::new("key"), key));
        let wrong_number = match operator {
            In | NotIn => values.is_empty().then_some("for 'in', 'notin' operators, values set can't be empty"),
            Equals | DoubleEquals | NotEquals => {
                (values.len() != 1).then_some("exact-match compatibility requires one single value")
            }
            Exists | DoesNotExist => {
                (!values.is_empty()).then_some("values set must be empty for exists and does not exist")
            }
            GreaterThan | LessThan => {
                (values.len() != 1).then_some("for 'Gt', 'Lt' operators, exactly one value is required")
            }
        };
        errors.extend(wrong_number.map(|why| field::Error::invalid(&at, listed(), why)));
        if matches!(operator, GreaterThan | LessThan) {
            for (i, value) in values.iter().enumerate().filter(|(_, v)| v.parse::<i64>().is_err()) {
                let why = "for 'Gt', 'Lt' operators, the value must be an integer";
                errors.push(field::Error::invalid(&at.index(i), value.as_str(), why));
            }
        }
        for (i, value) in values.iter().enumerate() {
            let wrong = names::label_value(value);
            if !wrong.is_empty() {
                errors.push(field::Error::invalid(&at.index(i).key(key), value.as_str(), wrong.join("; ")));
            }
        }
        match &errors[..] {
            [] => Ok(Self { key: key.into(), operator, values }),
            [only] => Err(Error::new(only.to_string())),
            many => {
                let all: Vec<_> = many.iter().map(ToString::to_string).collect();
                Err(Error::new(format!("[{}]", all.join(", "))))
            }
        }
    }

    /// The label's key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// What is asked.
    pub fn operator(&self) -> Operator {
        self.operator
    }

    /// The values it is about.
    pub fn values(&self) -> impl ExactSizeIterator<Item = &str> {
        self.values.iter().map(Str::as_str)
    }

    /// Whether a label with this value, or no label, satisfies it.
    pub fn matches(&self, value: Option<&str>) -> bool {
        let listed = || value.is_some_and(|v| self.values.iter().any(|w| w == v));
        match self.operator {
            Operator::In | Operator::Equals | Operator::DoubleEquals => listed(),
            Operator::NotIn | Operator::NotEquals => !listed(),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
            Operator::GreaterThan | Operator::LessThan => {
                let number = |text: Option<&str>| text.and_then(|t| t.parse::<i64>().ok());
                let order = number(value).zip(number(self.values.first().map(Str::as_str))).map(|(a, b)| a.cmp(&b));
                order.is_some_and(|o| if self.operator == Operator::GreaterThan { o.is_gt() } else { o.is_lt() })
            }
        }
    }
}

pub(super) fn check_key(path: &Path, key: &str) -> Result<(), Error> {
    key_error(path, key).map_or(Ok(()), |e| Err(Error::new(e.to_string())))
}

fn key_error(path: &Path, key: &str) -> Option<field::Error> {
    let wrong = names::qualified_name(key);
    (!wrong.is_empty()).then(|| field::Error::invalid(path, key, wrong.join("; ")))
}

impl Labels {
    /// Selects every object.
    pub const fn everything() -> Self {
        Self { terms: Vec::new(), nothing: false }
    }

    /// Selects no object.
    pub const fn nothing() -> Self {
        Self { terms: Vec::new(), nothing: true }
    }

    /// Reads the notation of query parameters and the command line.
    ///
    /// # Errors
    /// It does not follow the grammar, or a key or value is no label's.
    pub fn parse(text: &str) -> Result<Self, Error> {
        lex::parse(text).map(Self::of)
    }

    /// All of `terms`.
    pub fn of(mut terms: Vec<Requirement>) -> Self {
        terms.sort_by(|a, b| a.key.cmp(&b.key));
        Self { terms, nothing: false }
    }

    /// Exactly these labels; checked by nobody, for sets that are known to be labels.
    pub fn equal<'a>(labels: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let term = |(key, value): (&str, &str)| Requirement {
            key: key.into(),
            operator: Operator::Equals,
            values: vec![value.into()],
        };
        Self::of(labels.into_iter().map(term).collect())
    }

    /// Reads a `LabelSelector`. None (or null) selects nothing, an empty one everything.
    ///
    /// # Errors
    /// An unknown operator, or as [`Requirement::new`].
    pub fn from_selector(selector: Option<&Value>) -> Result<Self, Error> {
        let Some(selector) = selector.filter(|s| !s.is_null()) else { return Ok(Self::nothing()) };
        let mut terms = Vec::new();
        for (key, value) in selector.get("matchLabels").and_then(Value::as_object).into_iter().flat_map(|m| m.iter()) {
            let value = value.as_str().unwrap_or_default();
            terms.push(Requirement::new(key, Operator::Equals, vec![value.into()])?);
        }
        for term in selector.list_at(&["matchExpressions"]) {
            let operator = match term.str_at(&["operator"]) {
                "In" => Operator::In,
                "NotIn" => Operator::NotIn,
                "Exists" => Operator::Exists,
                "DoesNotExist" => Operator::DoesNotExist,
                other => return Err(Error::new(format!("{other:?} is not a valid label selector operator"))),
            };
            let values = term.list_at(&["values"]).iter().filter_map(Value::as_str).map(Str::from).collect();
            terms.push(Requirement::new(term.str_at(&["key"]), operator, values)?);
        }
        Ok(Self::of(terms))
    }

    /// The terms, sorted by key; `None` for a selector that selects nothing.
    pub fn requirements(&self) -> Option<&[Requirement]> {
        (!self.nothing).then_some(&self.terms)
    }

    /// Whether it selects everything.
    pub fn is_everything(&self) -> bool {
        !self.nothing && self.terms.is_empty()
    }

    /// Whether an object with these labels (sorted by key, as in [`crate::Meta`]) is selected.
    pub fn matches(&self, labels: &[(Box<str>, Box<str>)]) -> bool {
        self.matches_by(|key| labels.binary_search_by(|(k, _)| (**k).cmp(key)).ok().map(|at| &*labels[at].1))
    }

    /// Whether an object whose labels `lookup` knows is selected.
    pub fn matches_by<'a>(&self, mut lookup: impl FnMut(&str) -> Option<&'a str>) -> bool {
        !self.nothing && self.terms.iter().all(|term| term.matches(lookup(&term.key)))
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut values: Vec<&str> = self.values.iter().map(Str::as_str).collect();
        values.sort_unstable();
        let (key, values) = (&self.key, values.join(","));
        match self.operator {
            Operator::In => write!(f, "{key} in ({values})"),
            Operator::NotIn => write!(f, "{key} notin ({values})"),
            Operator::Equals => write!(f, "{key}={values}"),
            Operator::DoubleEquals => write!(f, "{key}=={values}"),
            Operator::NotEquals => write!(f, "{key}!={values}"),
            Operator::Exists => write!(f, "{key}"),
            Operator::DoesNotExist => write!(f, "!{key}"),
            Operator::GreaterThan => write!(f, "{key}>{values}"),
            Operator::LessThan => write!(f, "{key}<{values}"),
        }
    }
}

/// The canonical notation. A selector of nothing prints as nothing, as upstream's does.
impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, term) in self.terms.iter().enumerate() {
            write!(f, "{}{term}", if i > 0 { "," } else { "" })?;
        }
        Ok(())
    }
}
