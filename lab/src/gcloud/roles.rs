//! The roles that the lab's calls take: what whoever lacks a permission has to ask for.

/// What the lab's calls take, by the word that a permission begins with.
const ROLES: [(&str, &str); 8] = [
    ("container.", "roles/container.admin"),
    ("file.", "roles/file.editor"),
    ("artifactregistry.", "roles/artifactregistry.writer"),
    ("compute.", "roles/compute.viewer"),
    ("serviceusage.services.use", "roles/serviceusage.serviceUsageConsumer"),
    ("serviceusage.", "roles/serviceusage.serviceUsageViewer"),
    ("resourcemanager.", "roles/browser"),
    ("iam.serviceaccounts.", "roles/iam.serviceAccountUser"),
];

/// All of them, in words.
pub(super) fn all() -> String {
    ROLES.map(|(_, role)| role).join(", ")
}

/// The role that gives the permission which Google's words name.
pub(super) fn of(said: &str) -> Option<&'static str> {
    let said = said.to_lowercase();
    let is_word = |byte: char| byte.is_ascii_alphanumeric() || byte == '.' || byte == '/';
    // A permission has a service, a thing and what is done to it; an API's name ends otherwise.
    let mut words = said.split(|byte: char| !is_word(byte));
    words.find_map(|word| {
        let is_permission = word.split('.').count() >= 3 && !word.contains("googleapis.com") && !word.contains('/');
        ROLES.iter().find(|(begins, _)| is_permission && word.starts_with(begins)).map(|(_, role)| *role)
    })
}

#[cfg(test)]
mod tests {
    use super::super::{Place, by_cause};

    /// Who lacks a permission is told the role that has it; where Google names none, all of them.
    #[test]
    fn a_permission_has_its_role() {
        let place = Place { project: "p-1".into(), ..Place::default() };
        let remedy = |said: &str| by_cause("permission-denied").remedy_in(&place, said);
        for (said, role) in [
            ("Required \"container.clusters.create\" permission(s) for \"projects/p\".", "roles/container.admin"),
            ("Permission 'file.instances.create' denied on resource 'projects/p/locations/z'", "roles/file.editor"),
            ("Required 'compute.regions.get' permission for 'projects/p/regions/us-central1'", "roles/compute.viewer"),
            (
                "Permission 'artifactregistry.repositories.get' denied on resource '//artifactregistry.googleapis.com/projects/p'",
                "roles/artifactregistry.writer",
            ),
            (
                "Grant the caller the roles/serviceusage.serviceUsageConsumer role, or serviceusage.services.use",
                "roles/serviceusage.serviceUsageConsumer",
            ),
            ("Permission denied to list services: serviceusage.services.list", "roles/serviceusage.serviceUsageViewer"),
        ] {
            assert!(remedy(said).contains(&format!(" --member=user:YOU --role={role}; ")), "{}", remedy(said));
        }
        let unnamed = remedy("The caller does not have permission");
        assert!(unnamed.contains("--role=ROLE; ") && unnamed.contains("roles/file.editor, "), "{unnamed}");
    }
}
