//! Google's words for no, the cause by name that they mean, and the one command that mends it. One table, pure.

use super::roles;

/// What a refusal means for what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// It is not there.
    NotFound,
    /// Something of that name is there already.
    Exists,
    /// Not now: something else goes on with it.
    Busy,
    /// Nobody knows whether it was done.
    Unclear,
    /// It was not done.
    Refused,
}

/// A cause that has a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Named {
    /// Kebab-case, stable.
    pub cause: &'static str,
    /// What it means for what was asked.
    pub class: Class,
    /// Words by which it is known, in lower case; all of one group.
    words: &'static [&'static [&'static str]],
    /// What to do; `PROJECT`, `REGION`, `ZONE`, `NAME`, `API` and `ROLE` are put in.
    remedy: &'static str,
}

impl Named {
    /// What to do there.
    pub fn remedy_in(&self, place: &super::Place, said: &str) -> String {
        let or = |text: &str, word: &str| if text.is_empty() { word.to_owned() } else { text.to_owned() };
        let remedy = self.remedy.replace("PROJECT", &or(&place.project, "PROJECT"));
        let remedy = remedy.replace("REGION", &or(&place.region, "REGION")).replace("ZONE", &place.zone);
        let remedy = remedy.replace("NAME", &or(&place.name, "NAME")).replace("API", &api(said));
        remedy.replace("ROLES", &roles::all()).replace("ROLE", roles::of(said).unwrap_or("ROLE"))
    }
}

const QUOTAS: &str = "ask for more at https://console.cloud.google.com/iam-admin/quotas?project=PROJECT, delete what is not needed, \
                      or take another --region and --zone";

/// Every cause, the most telling words first: a stockout also mentions resources, a quota also says that they are exhausted.
static CAUSES: &[Named] = &[
    Named {
        cause: "no-account",
        class: Class::Refused,
        words: &[
            &["do not currently have an active account"],
            &["reauthentication"],
            &["problem refreshing your current auth tokens"],
            &["invalid_grant"],
            &["credentials are invalid"],
            &["invalid authentication credentials"],
            &["unauthenticated"],
            &["code=401"],
        ],
        remedy: "gcloud auth login",
    },
    Named {
        cause: "billing-off",
        class: Class::Refused,
        words: &[
            &["billing", "disabled"],
            &["billing", "to be enabled"],
            &["billing", "must be enabled"],
            &["billing", "not active"],
        ],
        remedy: "gcloud billing projects link PROJECT --billing-account=ACCOUNT (gcloud billing accounts list shows yours)",
    },
    Named {
        cause: "api-off",
        class: Class::Refused,
        words: &[
            &["service_disabled"],
            &["has not been used in project"],
            &["accessnotconfigured"],
            &["api", "not enabled"],
            &["api", "is disabled"],
        ],
        remedy: "gcloud services enable API --project=PROJECT",
    },
    Named {
        cause: "organisation-policy",
        class: Class::Refused,
        words: &[
            &["constraints/"],
            &["organization policy"],
            &["org policy"],
            &["orgpolicy"],
            &["violates constraint"],
        ],
        remedy: "ask whoever keeps your organisation's policies to allow it in this project \
                 (gcloud resource-manager org-policies list --project=PROJECT), or take another project",
    },
    Named {
        cause: "stockout",
        class: Class::Refused,
        words: &[
            &["stockout"],
            &["resource_pool_exhausted"],
            &["resource pool exhausted"],
            &["does not have enough resources available"],
            &["out of resources"],
            &["no capacity"],
            &["not enough capacity"],
            &["capacity", "not available"],
        ],
        remedy: "the zone has nothing left: take another one with --zone (and --region), or try again later",
    },
    Named {
        cause: "rate-limit",
        class: Class::Refused,
        words: &[
            &["per minute"],
            &["rate limit"],
            &["ratelimitexceeded"],
            &["rate_limit_exceeded"],
            &["too many requests"],
        ],
        remedy: "wait a minute and type it again: `up` goes on where it stopped",
    },
    Named {
        cause: "ip-space-exhausted",
        class: Class::Refused,
        words: &[
            &["ip_space_exhausted"],
            &["free ip"],
            &["ip range", "exhausted"],
            &["overlap"],
            &["ip address", "exhausted"],
            &["ip space", "exhausted"],
        ],
        remedy: "free address space in the network, or name another with --network",
    },
    Named {
        cause: "quota-exceeded",
        class: Class::Refused,
        words: &[&["quota"], &["resource_exhausted"], &["resource exhausted"], &["code=429"], &["code 8:"]],
        remedy: QUOTAS,
    },
    Named {
        cause: "deletion-protected",
        class: Class::Refused,
        words: &[&["deletion protection"], &["deletion_protection"]],
        remedy: "somebody has protected it: see `gcloud … describe`, and take the protection off if it is yours",
    },
    Named {
        cause: "service-account",
        class: Class::Refused,
        words: &[
            &["service account", "does not exist"],
            &["service account", "disabled"],
            &["service account", "not found"],
            &["does not have access to service account"],
            &["iam.serviceaccountuser"],
        ],
        remedy: "gcloud iam service-accounts list --project=PROJECT shows whether the default one of Compute Engine is there and enabled; \
                 whoever makes a cluster needs roles/iam.serviceAccountUser on it",
    },
    Named {
        cause: "location-missing",
        class: Class::Refused,
        words: &[
            &["permission denied on 'locations/"],
            &["unsupported location"],
            &["invalid value for field 'region'"],
            &["/regions/", "was not found"],
            &["unknown zone"],
        ],
        remedy: "name a region and a zone of it: gcloud compute zones list --project=PROJECT",
    },
    Named {
        cause: "project-missing",
        class: Class::Refused,
        words: &[
            &["projects instance"],
            &["resourcemanager.projects.get"],
            &["project", "not found or"],
            &["user_project_denied"],
            &["project_id", "not found"],
            &["project", "has been deleted"],
        ],
        remedy: "check the ID (gcloud projects list shows yours); or ask for access to it",
    },
    Named {
        cause: "busy",
        class: Class::Busy,
        words: &[
            &["incompatible operation"],
            &["operation in progress"],
            &["currently creating"],
            &["currently being"],
            &["another operation"],
            &["already an operation"],
            &["failed_precondition"],
            &["is in state"],
            &["code=412"],
        ],
        remedy: "wait until what goes on there has ended (gcloud container operations list --project=PROJECT), and type it again",
    },
    Named {
        cause: "name-taken",
        class: Class::Exists,
        words: &[&["already_exists"], &["already exists"], &["alreadyexists"], &["code=409"]],
        remedy: "use another lab with --name: what is there is somebody else's",
    },
    Named {
        cause: "permission-denied",
        class: Class::Refused,
        words: &[
            &["permission_denied"],
            &["permission denied"],
            &["required", "permission"],
            &["code=403"],
            &["forbidden"],
            &["does not have permission"],
        ],
        remedy: "gcloud projects add-iam-policy-binding PROJECT --member=user:YOU --role=ROLE; in all the lab takes ROLES",
    },
    Named {
        cause: "not-found",
        class: Class::NotFound,
        words: &[&["not_found"], &["not found"], &["code=404"], &["notfound"], &["does not exist"]],
        remedy: "`cargo xtask lab status` shows what is there",
    },
    Named {
        cause: "google-unavailable",
        class: Class::Unclear,
        words: &[
            &["unavailable"],
            &["code=5"],
            &["status: 5"],
            &["internal error"],
            &["internal server error"],
            &["backend error"],
            &["httperror 5"],
            &["deadline_exceeded"],
            &["bad gateway"],
            &["internal:"],
        ],
        remedy: "Google has trouble (https://status.cloud.google.com): type it again; `up` finds what was made",
    },
    Named {
        cause: "google-unreachable",
        class: Class::Unclear,
        words: &[
            &["connection"],
            &["unable to find the server"],
            &["could not reach"],
            &["network is unreachable"],
            &["timed out"],
            &["timeout"],
            &["name resolution"],
            &["remotedisconnected"],
            &["broken pipe"],
            &["ssl"],
        ],
        remedy: "see whether this machine reaches Google: gcloud info --run-diagnostics",
    },
    Named {
        cause: "invalid-request",
        class: Class::Refused,
        words: &[
            &["invalid_argument"],
            &["code=400"],
            &["invalid value"],
            &["bad request"],
            &["unrecognized arguments"],
        ],
        remedy: "check lab.toml and the options against what Google names; if they are right, this is a fault of the lab: report it",
    },
];

/// The name of what has none of its own.
pub const UNKNOWN_CAUSE: &str = "google-refused";
/// What has no name of its own.
static UNKNOWN: Named = Named {
    cause: UNKNOWN_CAUSE,
    class: Class::Refused,
    words: &[],
    remedy: "read what Google says; `cargo xtask lab doctor --target gke` checks what the lab needs",
};

/// Causes that the lab itself finds, beside those that Google's words mean.
static FOUND: &[Named] = &[
    Named {
        cause: "project-inactive",
        class: Class::Refused,
        words: &[],
        remedy: "gcloud projects undelete PROJECT, or take another project",
    },
    Named {
        cause: "network-missing",
        class: Class::Refused,
        words: &[],
        remedy: "gcloud compute networks create NAME --project=PROJECT --subnet-mode=auto, or name another with --network",
    },
    Named {
        cause: "repository-missing",
        class: Class::Refused,
        words: &[],
        remedy: "gcloud artifacts repositories create NAME --repository-format=docker --location=REGION --project=PROJECT, \
                 or name another with --image-repository",
    },
    Named {
        cause: "operation-failed",
        class: Class::Refused,
        words: &[],
        remedy: "`cargo xtask lab down` removes what there is of it; then begin anew",
    },
];

/// The cause that Google's words mean.
pub fn name(said: &str) -> &'static Named {
    let said = said.to_lowercase();
    let fits = |named: &&Named| named.words.iter().any(|group| group.iter().all(|words| said.contains(words)));
    CAUSES.iter().find(fits).unwrap_or(&UNKNOWN)
}

/// The cause of this name.
pub fn by_cause(cause: &str) -> &'static Named {
    FOUND.iter().chain(CAUSES).find(|named| named.cause == cause).unwrap_or(&UNKNOWN)
}

/// Every cause that has a name.
pub fn causes() -> impl Iterator<Item = &'static str> {
    CAUSES.iter().chain(FOUND).chain([&UNKNOWN]).map(|named| named.cause)
}

/// The API that Google's words name; all that the lab needs where they name none.
fn api(said: &str) -> String {
    let is_name = |byte: char| byte.is_ascii_alphanumeric() || byte == '.' || byte == '-';
    let mut words = said.split(|byte: char| !is_name(byte));
    let named = words.find(|word| word.ends_with(".googleapis.com") && !word.starts_with("www."));
    named
        .unwrap_or(
            "container.googleapis.com file.googleapis.com artifactregistry.googleapis.com compute.googleapis.com",
        )
        .into()
}

#[cfg(test)]
mod tests {
    use super::super::Place;
    use super::*;

    /// Words that Google uses, and the cause that each means.
    const SAID: &[(&str, &str)] = &[
        ("(gcloud.auth.print-access-token) You do not currently have an active account selected.", "no-account"),
        ("There was a problem refreshing your current auth tokens: invalid_grant: Bad Request", "no-account"),
        (
            "(gcloud.filestore.instances.create) UNAUTHENTICATED: Request had invalid authentication credentials.",
            "no-account",
        ),
        (
            "FAILED_PRECONDITION: Billing is disabled on project 1, or the project is in an invalid state.",
            "billing-off",
        ),
        ("ResponseError: code=403, message=This API method requires billing to be enabled.", "billing-off"),
        (
            "ResponseError: code=403, message=Kubernetes Engine API has not been used in project 1 before or it is disabled.",
            "api-off",
        ),
        (
            "PERMISSION_DENIED: Cloud Filestore API has not been used in project 1 before. reason: SERVICE_DISABLED",
            "api-off",
        ),
        ("API [file.googleapis.com] not enabled on project [p].", "api-off"),
        (
            "code=400, message=Constraint constraints/compute.vmExternalIpAccess violated for project 1.",
            "organisation-policy",
        ),
        ("FAILED_PRECONDITION: Operation denied by org policy on resource 'projects/1'", "organisation-policy"),
        (
            "code 8: Google Compute Engine: GCE_STOCKOUT: us-central1-b does not have enough resources available",
            "stockout",
        ),
        ("ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS: the zone has none", "stockout"),
        ("RESOURCE_EXHAUSTED: There is no capacity in us-central1-b for the requested instance.", "stockout"),
        (
            "code=429, message=Quota exceeded for quota metric 'Write requests' and limit 'Write requests per minute'",
            "rate-limit",
        ),
        (
            "RESOURCE_EXHAUSTED: Quota limit 'StandardStorageGbPerRegion' has been exceeded. Limit: 1024",
            "quota-exceeded",
        ),
        (
            "code=403, message=Insufficient regional quota to satisfy request: resource \"SSD_TOTAL_GB\"",
            "quota-exceeded",
        ),
        ("code 8: Quota 'PREEMPTIBLE_CPUS' exceeded. Limit: 0.0 in region us-central1.", "quota-exceeded"),
        ("code 8: IP_SPACE_EXHAUSTED: no address space is left in the network", "ip-space-exhausted"),
        (
            "PERMISSION_DENIED: Permission 'file.instances.create' denied on resource 'projects/p/locations/z' (or it may not exist).",
            "permission-denied",
        ),
        ("code=400, message=IP_SPACE_EXHAUSTED: no free IP space in network", "ip-space-exhausted"),
        ("FAILED_PRECONDITION: deletion protection is enabled", "deletion-protected"),
        (
            "code=400, message=Service account \"1-compute@developer.gserviceaccount.com\" does not exist.",
            "service-account",
        ),
        (
            "code=400, message=The user does not have access to service account \"default\". Ask a project owner to grant you the \
             iam.serviceAccountUser role on the service account.",
            "service-account",
        ),
        ("code=403, message=Permission denied on 'locations/us-nowhere1' (or it may not exist).", "location-missing"),
        (
            "(gcloud.projects.describe) [me] does not have permission to access projects instance [p] (or it may not exist)",
            "project-missing",
        ),
        ("code=400, message=Cluster is running incompatible operation operation-1.", "busy"),
        ("code=409, message=Already exists: projects/p/locations/us-central1/clusters/batch-aiml.", "name-taken"),
        ("ALREADY_EXISTS: Resource 'projects/p/…' already exists", "name-taken"),
        (
            "code=403, message=Required \"container.clusters.create\" permission(s) for \"projects/p\".",
            "permission-denied",
        ),
        ("code=404, message=Not found: projects/p/locations/us-central1/clusters/batch-aiml.", "not-found"),
        ("NOT_FOUND: Resource 'projects/p/locations/z/instances/x' was not found", "not-found"),
        ("ResponseError: code=503, message=Visibility check was unavailable. Please retry.", "google-unavailable"),
        (
            "gcloud crashed (ConnectionError): ('Connection aborted.', RemoteDisconnected('closed'))",
            "google-unreachable",
        ),
        ("INVALID_ARGUMENT: tier must be set", "invalid-request"),
        ("something new", "google-refused"),
    ];

    fn place(name: &str) -> Place {
        let (project, region, zone) = ("p-1".into(), "us-central1".into(), "us-central1-b".into());
        Place { project, region, zone, name: name.into() }
    }

    /// What is missing is made by the name that was asked for.
    #[test]
    fn what_is_missing_is_made_by_its_name() {
        let remedy = |cause: &str, name: &str| by_cause(cause).remedy_in(&place(name), "not found");
        let network = remedy("network-missing", "lab-net");
        assert!(network.starts_with("gcloud compute networks create lab-net --project=p-1 "), "{network}");
        let repository = remedy("repository-missing", "images");
        let made = "gcloud artifacts repositories create images --repository-format=docker --location=us-central1 --project=p-1, ";
        assert!(repository.starts_with(made), "{repository}");
    }

    /// Each of Google's ways to say no has its name, and a remedy with nothing left to fill in but what the lab cannot know.
    #[test]
    fn what_google_says_has_a_name() {
        for (said, cause) in SAID {
            let place = place("it");
            let named = name(said);
            assert_eq!(named.cause, *cause, "`{said}`");
            let remedy = named.remedy_in(&place, said);
            assert!(!remedy.is_empty());
            assert!(
                ["PROJECT", "REGION", "ZONE", "NAME", "API ", "ROLES"].iter().all(|word| !remedy.contains(word)),
                "{remedy}"
            );
        }
        let mut named: Vec<_> = SAID.iter().map(|(_, cause)| *cause).collect();
        named.dedup();
        named.sort_unstable();
        named.dedup();
        assert_eq!(named.len(), CAUSES.len() + 1, "every cause has an example: {named:?}");
    }

    proptest::proptest! {
        /// Whatever Google says, in whatever case and with whatever around it, keeps its name.
        #[test]
        fn case_and_surroundings_do_not_matter(index in 0..SAID.len() - 1, upper in proptest::bool::ANY) {
            let (said, cause) = SAID[index];
            let said = if upper { said.to_uppercase() } else { said.to_lowercase() };
            proptest::prop_assert_eq!(name(&format!("x {said} y")).cause, cause);
        }
    }
}
