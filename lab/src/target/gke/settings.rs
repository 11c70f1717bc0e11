//! What a lab on GKE is to be like: from the command line, else `lab.toml`, else the lab that stands, else the tutorial.

use std::path::{Path, PathBuf};
use std::time::Duration;

use fs_err as fs;
use serde::{Deserialize, Serialize};

use crate::cli;
use crate::failure::{Exit, Explain};
use crate::gcloud::{is_zone, region_of};

/// The file that is looked for where none is named.
const FILE: &str = "lab.toml";
/// The tutorial's zone is this one of its region.
const ZONE_LETTER: &str = "b";
/// How long a lab is meant to live at most; beyond it is no lab any more.
const TTL_MAX: Duration = Duration::from_secs(7 * 24 * 3600);
/// Filestore's tiers: name, least capacity in GB, and whether an instance is a region's rather than a zone's.
const TIERS: [(&str, u64, bool); 5] = [
    ("BASIC_HDD", 1024, false),
    ("BASIC_SSD", 2560, false),
    ("ZONAL", 1024, false),
    ("REGIONAL", 1024, true),
    ("ENTERPRISE", 1024, true),
];

/// Everything that is decided of a lab on GKE.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// The project that pays.
    pub project: String,
    /// The region.
    pub region: String,
    /// The zone, in the region.
    pub zone: String,
    /// A Standard cluster with a pool of Spot nodes; else Autopilot.
    pub standard: bool,
    /// The network of cluster and share.
    pub network: String,
    /// Filestore's tier.
    pub tier: String,
    /// The share's capacity, as gcloud reads it.
    pub capacity: String,
    /// The cluster's release channel.
    pub release_channel: String,
    /// Where the worker's image goes.
    pub image_repository: String,
    /// How long it is meant to live.
    pub ttl_s: u64,
}

/// `[gke]` of `lab.toml`; what is not there is left to others.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    project: Option<String>,
    region: Option<String>,
    zone: Option<String>,
    standard: Option<bool>,
    network: Option<String>,
    tier: Option<String>,
    capacity: Option<String>,
    release_channel: Option<String>,
    image_repository: Option<String>,
    ttl: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    gke: Option<Table>,
}

/// What was asked for is not clear, or cannot be.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// Nobody says whose money it is.
    #[error("failed to choose a project: neither --project nor `lab.toml` names one, and gcloud's own is never taken")]
    NoProject,
    /// The file is of no use.
    #[error("failed to read `{}`: {why}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A value is of no use.
    #[error("failed to take `{value}` as the {what}: {why}")]
    Value {
        /// What it was to be.
        what: &'static str,
        /// The value.
        value: String,
        /// What is wrong with it.
        why: String,
    },
}

impl Settings {
    /// Decides. `standing` is what the lab of this name stands with.
    ///
    /// # Errors
    /// [`SettingsError`].
    pub fn decide(options: &cli::Gke, standing: Option<&Self>) -> Result<Self, SettingsError> {
        let file = read(options.config.as_deref())?;
        Self::combine(Table::of(options).or(file), standing)
    }

    fn combine(asked: Table, standing: Option<&Self>) -> Result<Self, SettingsError> {
        let asked = asked.or(standing.map(Table::of_standing).unwrap_or_default());
        let project = asked.project.ok_or(SettingsError::NoProject)?;
        let project = checked("project", project, |id| {
            let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.:".contains(&byte);
            let plain = id.starts_with(|first: char| first.is_ascii_lowercase()) && id.bytes().all(fits);
            if plain && id.len() >= 4 { Ok(()) } else { Err("an ID has lower-case letters, digits and hyphens".into()) }
        })?;
        let (region, zone) = match (asked.region, asked.zone) {
            (Some(region), Some(zone)) => (region, zone),
            (Some(region), None) => (region.clone(), format!("{region}-{ZONE_LETTER}")),
            (None, Some(zone)) => (region_of(&zone).to_owned(), zone),
            (None, None) => ("us-central1".into(), format!("us-central1-{ZONE_LETTER}")),
        };
        let zone = checked("zone", zone, |zone| match is_zone(zone) && region_of(zone) == region {
            true => Ok(()),
            false => Err(format!("a zone of region `{region}` is named like `{region}-{ZONE_LETTER}`")),
        })?;
        let tier = asked.tier.unwrap_or_else(|| "BASIC_HDD".into());
        let capacity = asked.capacity.unwrap_or_else(|| "1TB".into());
        check_capacity(&tier, &capacity)?;
        let ttl = asked.ttl.unwrap_or_else(|| "2h".into());
        let ttl_s = parse_ttl(&ttl).map_err(|why| SettingsError::Value { what: "time to live", value: ttl, why })?;
        Ok(Self {
            image_repository: checked(
                "image repository",
                asked.image_repository.unwrap_or_else(|| default_repository(&region, &project)),
                |name| match name.split_once('/') {
                    Some((host, path))
                        if !path.is_empty()
                            && !path.ends_with('/')
                            && host.contains(['.', ':'])
                            && !name.contains('@') =>
                    {
                        Ok(())
                    }
                    _ => Err("it is HOST/PATH, such as us-central1-docker.pkg.dev/PROJECT/REPOSITORY".into()),
                },
            )?,
            project,
            region,
            zone,
            standard: asked.standard.unwrap_or(false),
            network: word("network", asked.network.unwrap_or_else(|| "default".into()))?,
            tier,
            capacity,
            release_channel: word("release channel", asked.release_channel.unwrap_or_else(|| "regular".into()))?,
            ttl_s: ttl_s.as_secs(),
        })
    }

    /// Where the cluster is: the region, or the zone of a Standard one.
    pub fn cluster_location(&self) -> &str {
        if self.standard { &self.zone } else { &self.region }
    }

    /// Where the share is.
    pub fn filestore_location(&self) -> &str {
        let regional = TIERS.iter().any(|(name, _, regional)| *name == self.tier && *regional);
        if regional { &self.region } else { &self.zone }
    }

    /// The share's capacity.
    pub fn capacity_gb(&self) -> u64 {
        parse_capacity(&self.capacity).unwrap_or_default()
    }

    /// How it differs from another lab's, where the two could not be one; `None` if they could.
    pub fn differs(&self, other: &Self) -> Option<(&'static str, String, String)> {
        let pairs = [
            ("project", &self.project, &other.project),
            ("region", &self.region, &other.region),
            ("zone", &self.zone, &other.zone),
            ("network", &self.network, &other.network),
            ("tier", &self.tier, &other.tier),
            ("capacity", &self.capacity, &other.capacity),
        ];
        let kind = |standard: bool| if standard { "Standard" } else { "Autopilot" }.to_owned();
        if self.standard != other.standard {
            return Some(("cluster", kind(self.standard), kind(other.standard)));
        }
        let differs = |(_, one, another): &&(&'static str, &String, &String)| one != another;
        pairs.iter().find(differs).map(|(what, one, another)| (*what, (*one).clone(), (*another).clone()))
    }
}

impl Table {
    fn of(options: &cli::Gke) -> Self {
        let options = options.clone();
        Self {
            project: options.project,
            region: options.region,
            zone: options.zone,
            standard: options.standard.then_some(true),
            network: options.network,
            tier: options.tier,
            capacity: options.capacity,
            release_channel: options.release_channel,
            image_repository: options.image_repository,
            ttl: options.ttl,
        }
    }

    fn of_standing(settings: &Settings) -> Self {
        let settings = settings.clone();
        // A repository that was not asked for goes with region and project.
        let default = default_repository(&settings.region, &settings.project);
        Self {
            project: Some(settings.project),
            region: Some(settings.region),
            zone: Some(settings.zone),
            standard: Some(settings.standard),
            network: Some(settings.network),
            tier: Some(settings.tier),
            capacity: Some(settings.capacity),
            release_channel: Some(settings.release_channel),
            image_repository: Some(settings.image_repository).filter(|repository| *repository != default),
            ttl: Some(format!("{}s", settings.ttl_s)),
        }
    }

    /// What is said here, else what is said there. A place is one thing: who names a region means no other one's zone.
    fn or(self, other: Self) -> Self {
        let placed = self.region.is_some() || self.zone.is_some();
        let (region, zone) = if placed { (self.region, self.zone) } else { (other.region, other.zone) };
        Self {
            project: self.project.or(other.project),
            region,
            zone,
            standard: self.standard.or(other.standard),
            network: self.network.or(other.network),
            tier: self.tier.or(other.tier),
            capacity: self.capacity.or(other.capacity),
            release_channel: self.release_channel.or(other.release_channel),
            image_repository: self.image_repository.or(other.image_repository),
            ttl: self.ttl.or(other.ttl),
        }
    }
}

fn default_repository(region: &str, project: &str) -> String {
    format!("{region}-docker.pkg.dev/{project}/batch-aiml")
}

/// The file that was named, else `lab.toml` here, else the workspace's; nothing where there is none.
fn read(named: Option<&Path>) -> Result<Table, SettingsError> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(|root| root.join(FILE));
    let places = [Some(PathBuf::from(FILE)), workspace];
    let path = match named {
        Some(named) => named.to_owned(),
        None => match places.into_iter().flatten().find(|path| path.is_file()) {
            Some(path) => path,
            None => return Ok(Table::default()),
        },
    };
    let failed = |why: String| SettingsError::File { path: path.clone(), why };
    let text = fs::read_to_string(&path).map_err(|error| failed(error.to_string()))?;
    parse(&text).map_err(failed)
}

fn parse(text: &str) -> Result<Table, String> {
    let file: File = toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())?;
    Ok(file.gke.unwrap_or_default())
}

fn checked(
    what: &'static str,
    value: String,
    check: impl Fn(&str) -> Result<(), String>,
) -> Result<String, SettingsError> {
    match check(&value) {
        Ok(()) => Ok(value),
        Err(why) => Err(SettingsError::Value { what, value, why }),
    }
}

/// A plain word: it stands in a list of `KEY=VALUE` on a command line.
fn word(what: &'static str, value: String) -> Result<String, SettingsError> {
    checked(what, value, |word| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte);
        match !word.is_empty() && word.bytes().all(fits) {
            true => Ok(()),
            false => Err("it is a plain word".into()),
        }
    })
}

fn check_capacity(tier: &str, capacity: &str) -> Result<(), SettingsError> {
    let known = TIERS.iter().find(|(name, ..)| *name == tier);
    let Some((_, least_gb, _)) = known else {
        let names: Vec<_> = TIERS.iter().map(|(name, ..)| *name).collect();
        let why = format!("Filestore's tiers are {}", names.join(", "));
        return Err(SettingsError::Value { what: "tier", value: tier.into(), why });
    };
    let failed = |why| SettingsError::Value { what: "capacity", value: capacity.into(), why };
    match parse_capacity(capacity) {
        None => Err(failed("it is a number with GB or TB behind it".into())),
        Some(found_gb) if found_gb < *least_gb => Err(failed(format!("{tier} begins at {least_gb} GB"))),
        Some(_) => Ok(()),
    }
}

/// GB of `1TB`, `2.5TB`, `1024GB`, `1024`; a TB has 1024 of them, as gcloud reads it.
fn parse_capacity(text: &str) -> Option<u64> {
    let upper = text.to_ascii_uppercase();
    let (number, factor) = match (upper.strip_suffix("TB"), upper.strip_suffix("GB")) {
        (Some(number), _) => (number, 1024.0),
        (_, Some(number)) => (number, 1.0),
        _ => (upper.as_str(), 1.0),
    };
    let plain = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let gb = number.parse::<f64>().ok().filter(|_| plain)? * factor;
    (gb.fract() == 0.0 && gb <= 1e6).then_some(gb as u64)
}

/// `90s`, `45m`, `2h`, `1d`.
fn parse_ttl(text: &str) -> Result<Duration, String> {
    let wrong = || "it is a number with s, m, h or d behind it, up to 7d".to_owned();
    let unit = text.chars().last().filter(char::is_ascii).ok_or_else(wrong)?;
    let factor_s = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 24 * 3600,
        _ => return Err(wrong()),
    };
    let number: u64 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    let seconds = number.checked_mul(factor_s).filter(|seconds| *seconds > 0).ok_or_else(wrong)?;
    Some(Duration::from_secs(seconds)).filter(|ttl| *ttl <= TTL_MAX).ok_or_else(wrong)
}

impl Explain for SettingsError {
    fn exit(&self) -> Exit {
        Exit::Usage
    }

    fn cause_name(&self) -> &'static str {
        match self {
            Self::NoProject => "no-project",
            Self::File { .. } => "lab-toml",
            Self::Value { .. } => "usage",
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::NoProject => {
                "--project PROJECT, or `[gke] project = \"PROJECT\"` in lab.toml; `gcloud projects list` shows yours"
                    .into()
            }
            Self::File { .. } => "lab.example.toml has every key, with its meaning".into(),
            Self::Value { .. } => "mend it in lab.toml or on the command line".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decide(text: &str) -> Result<Settings, SettingsError> {
        Settings::combine(parse(text).unwrap(), None)
    }

    /// With a project alone everything else is the tutorial's.
    #[test]
    fn the_tutorial_is_the_default() {
        let settings = decide("[gke]\nproject = \"my-project\"").unwrap();
        let expected = Settings {
            project: "my-project".into(),
            region: "us-central1".into(),
            zone: "us-central1-b".into(),
            standard: false,
            network: "default".into(),
            tier: "BASIC_HDD".into(),
            capacity: "1TB".into(),
            release_channel: "regular".into(),
            image_repository: "us-central1-docker.pkg.dev/my-project/batch-aiml".into(),
            ttl_s: 7200,
        };
        assert_eq!(settings, expected);
        assert_eq!((settings.cluster_location(), settings.filestore_location()), ("us-central1", "us-central1-b"));
        assert!(matches!(decide(""), Err(SettingsError::NoProject)));
    }

    /// Instances of the regional tiers are in the region, those of all others in the zone; and each has its least capacity.
    #[test]
    fn a_tier_has_its_place() {
        for (tier, capacity, location) in [
            ("BASIC_HDD", "1TB", "us-central1-b"),
            ("BASIC_SSD", "2.5TB", "us-central1-b"),
            ("ZONAL", "1TB", "us-central1-b"),
            ("REGIONAL", "1TB", "us-central1"),
            ("ENTERPRISE", "1TB", "us-central1"),
        ] {
            let asked = |capacity: &str| {
                let text = format!("[gke]\nproject = \"my-project\"\ntier = \"{tier}\"\ncapacity = \"{capacity}\"");
                Settings::combine(parse(&text).unwrap(), None)
            };
            assert_eq!(asked(capacity).unwrap().filestore_location(), location, "{tier}");
            assert!(asked("1000GB").is_err(), "{tier}");
        }
    }

    /// The example in the repository is whole: every key is in it, and it is read.
    #[test]
    fn the_example_is_read() {
        let text = include_str!("../../../../lab.example.toml");
        let table = parse(text).unwrap();
        let Table { project, region, zone, standard, network, tier, capacity, release_channel, image_repository, ttl } =
            table.clone();
        assert!(
            [project, region, zone, network, tier, capacity, release_channel, image_repository, ttl]
                .iter()
                .all(Option::is_some)
        );
        assert!(standard.is_some());
        Settings::combine(table, None).unwrap();
    }

    /// A key that is not known is an error: a misspelt one might cost money.
    #[test]
    fn a_misspelt_key_is_refused() {
        assert!(parse("[gke]\nproject = \"p\"\nregoin = \"us-east1\"").unwrap_err().contains("regoin"));
        assert!(parse("[gek]\nproject = \"p\"").is_err());
    }

    /// The command line outdoes the file, the file the lab that stands; a region brings its own zone and repository.
    #[test]
    fn who_speaks_louder_is_heard() {
        let table = |text: &str| parse(&format!("[gke]\n{text}")).unwrap();
        let standing = decide("[gke]\nproject = \"stands\"\nnetwork = \"theirs\"\nttl = \"1h\"").unwrap();
        let file =
            table("project = \"from-file\"\nregion = \"europe-west4\"\nzone = \"europe-west4-a\"\nttl = \"30m\"");
        let line = table("region = \"us-east1\"");
        let settings = Settings::combine(line.or(file), Some(&standing)).unwrap();
        assert_eq!((settings.project.as_str(), settings.region.as_str()), ("from-file", "us-east1"));
        assert_eq!((settings.zone.as_str(), settings.network.as_str(), settings.ttl_s), ("us-east1-b", "theirs", 1800));
        assert_eq!(settings.image_repository, "us-east1-docker.pkg.dev/from-file/batch-aiml");
        assert_eq!(settings.differs(&standing).map(|(what, ..)| what), Some("project"));
        let taken_up = Settings::combine(Table::default(), Some(&standing)).unwrap();
        assert_eq!(taken_up, standing);
    }

    /// What cannot be is refused with what could be.
    #[test]
    fn what_cannot_be_is_refused() {
        let wrong = [
            ("zone = \"us-east1-b\"\nregion = \"us-central1\"", "zone"),
            ("zone = \"us-central1\"", "zone"),
            ("tier = \"STANDARD\"", "tier"),
            ("capacity = \"100GB\"", "capacity"),
            ("capacity = \"much\"", "capacity"),
            ("tier = \"BASIC_SSD\"", "capacity"),
            ("ttl = \"forever\"", "time to live"),
            ("ttl = \"0h\"", "time to live"),
            ("ttl = \"8d\"", "time to live"),
            ("image_repository = \"worker\"", "image repository"),
            ("network = \"a,name=b\"", "network"),
        ];
        for (line, what) in wrong {
            let error = decide(&format!("[gke]\nproject = \"my-project\"\n{line}")).unwrap_err();
            assert!(matches!(&error, SettingsError::Value { what: found, .. } if *found == what), "`{line}`: {error}");
        }
        for project in ["", "My-Project", "p --quiet", "-p"] {
            assert!(decide(&format!("[gke]\nproject = \"{project}\"")).is_err(), "`{project}`");
        }
    }

    proptest! {
        /// A time to live reads back as it was written, whatever its unit.
        #[test]
        fn a_time_is_read(number in 1u64..=7, unit in prop::sample::select(vec![('s', 1), ('m', 60), ('h', 3600), ('d', 86_400)])) {
            prop_assert_eq!(parse_ttl(&format!("{number}{}", unit.0)), Ok(Duration::from_secs(number * unit.1)));
        }

        /// No text makes the parsers panic, and what they take is in bounds.
        #[test]
        fn any_text_is_survived(text in ".{0,12}") {
            let _ = parse_capacity(&text);
            if let Ok(ttl) = parse_ttl(&text) {
                prop_assert!(ttl <= TTL_MAX && !ttl.is_zero());
            }
        }
    }
}
