//! The labels by which a lab's things are known in the cloud: whose they are, and until when they were meant to live.

use std::collections::BTreeMap;

use jiff::Timestamp;

/// The label of everything that is a lab's; its value is the lab's ID.
pub const LABEL: &str = "batch-ml-lab";
/// The lab's name.
const NAME: &str = "batch-ml-lab-name";
/// Until when it was meant to live.
const UNTIL: &str = "batch-ml-lab-until";
/// RFC 3339 in the characters that a label may have.
const FORMAT: &str = "%Y-%m-%dt%H-%M-%Sz";
/// The same, as a parser reads it.
const READ_FORMAT: &str = "%Y-%m-%dt%H-%M-%Sz %z";

/// What the labels of a thing say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// The lab's ID, unlike any other's.
    pub lab_id: String,
    /// The lab's name.
    pub lab: String,
    /// Until when it was meant to live.
    pub until: Timestamp,
}

/// An ID for a new lab: 48 random bits.
pub fn new_id() -> String {
    let random = uuid::Uuid::new_v4().simple().to_string();
    format!("lab-{}", &random[..12])
}

impl Tag {
    /// The labels, by name.
    pub fn labels(&self) -> BTreeMap<String, String> {
        let until = self.until.strftime(FORMAT).to_string();
        let pairs = [(LABEL, self.lab_id.clone()), (NAME, self.lab.clone()), (UNTIL, until)];
        pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// What a thing's labels say; `None` if it is no lab's.
    pub fn read(labels: &BTreeMap<String, String>) -> Option<Self> {
        let lab_id = labels.get(LABEL)?.clone();
        let until = labels.get(UNTIL).and_then(|text| Timestamp::strptime(READ_FORMAT, format!("{text} +0000")).ok());
        let lab = labels.get(NAME).cloned().unwrap_or_default();
        // Whoever took that label off has not made it young again.
        Some(Self { lab_id, lab, until: until.unwrap_or(Timestamp::UNIX_EPOCH) })
    }

    /// It was not meant to live so long.
    pub fn is_overdue(&self, now: Timestamp) -> bool {
        now > self.until
    }
}

/// `KEY=VALUE,…`, as gcloud takes labels.
pub fn argument(labels: &BTreeMap<String, String>) -> String {
    labels.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Labels say what they were made of, to the second, in the characters that Google allows.
        #[test]
        fn labels_read_back(lab in "[a-z][a-z0-9-]{0,30}[a-z0-9]", second in 0i64..4_000_000_000) {
            let tag = Tag { lab_id: new_id(), lab, until: Timestamp::from_second(second).unwrap() };
            let labels = tag.labels();
            let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
            for (name, value) in &labels {
                prop_assert!(name.bytes().all(allowed) && value.bytes().all(allowed), "{}={}", name, value);
                prop_assert!(name.len() <= 63 && value.len() <= 63);
            }
            prop_assert_eq!(Tag::read(&labels), Some(tag));
        }
    }

    /// A thing without the label is nobody's; one whose time is illegible is overdue rather than young.
    #[test]
    fn strangers_are_no_labs() {
        let labels =
            |pairs: &[(&str, &str)]| pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        assert_eq!(Tag::read(&labels(&[("env", "prod"), ("batch-ml-lab-name", "default")])), None);
        let tag = Tag::read(&labels(&[("batch-ml-lab", "lab-1"), ("batch-ml-lab-until", "soon")])).unwrap();
        assert!(tag.is_overdue(Timestamp::now()));
    }
}
