//! What `kubectl get` shows a person: the API server's own tables, set as kubectl sets them.

use http::Request;
use serde::Deserialize;
use serde_json::Value;

use super::{Cluster, ClusterError, NAMESPACE};

/// The tables that tell a person where the tutorial's objects are.
const TABLES: &[(&str, &str)] = &[
    ("nodes", "/api/v1/nodes"),
    ("pv", "/api/v1/persistentvolumes"),
    ("pvc", "/api/v1/namespaces/NAMESPACE/persistentvolumeclaims"),
    ("services", "/api/v1/namespaces/NAMESPACE/services"),
    ("jobs", "/apis/batch/v1/namespaces/NAMESPACE/jobs"),
    ("pods", "/api/v1/namespaces/NAMESPACE/pods"),
    ("events", "/api/v1/namespaces/NAMESPACE/events"),
];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Table {
    column_definitions: Vec<Column>,
    #[serde(default)]
    rows: Vec<Row>,
}

#[derive(Deserialize)]
struct Column {
    name: String,
    /// Columns of a priority above 0 are for `-o wide`.
    priority: i32,
}

#[derive(Deserialize)]
struct Row {
    cells: Vec<Value>,
}

impl Cluster {
    /// `kubectl get` of everything that the tutorial makes, a block each.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub fn tables(&self) -> Result<String, ClusterError> {
        let mut text = String::new();
        for (name, url) in TABLES {
            let url = url.replace("NAMESPACE", NAMESPACE);
            let what = format!("get the table of {name}");
            let request = Request::get(&url)
                .header("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io")
                .body(Vec::new())
                .map_err(|error| ClusterError::call(&what, kube::Error::HttpError(error)))?;
            let table: Table = self.call(&what, self.client.request(request))?;
            text.push_str(&format!("$ kubectl get {name}\n{}\n", set(&table)));
        }
        Ok(text)
    }
}

/// Columns as wide as their widest cell, three spaces apart.
fn set(table: &Table) -> String {
    if table.rows.is_empty() {
        return format!("No resources found in {NAMESPACE} namespace.\n");
    }
    let shown: Vec<usize> =
        (0..).zip(&table.column_definitions).filter(|(_, column)| column.priority == 0).map(|(at, _)| at).collect();
    let head = shown.iter().map(|at| table.column_definitions[*at].name.to_uppercase()).collect::<Vec<_>>();
    let cell = |value: Option<&Value>| match value {
        Some(Value::String(text)) => text.trim().replace('\n', " "),
        Some(Value::Null) | None => "<none>".into(),
        Some(other) => other.to_string(),
    };
    let rows = table.rows.iter().map(|row| shown.iter().map(|at| cell(row.cells.get(*at))).collect());
    let lines: Vec<Vec<String>> = std::iter::once(head).chain(rows).collect();
    let width = |at: usize| lines.iter().map(|line| line[at].chars().count()).max().unwrap_or(0) + 3;
    let widths: Vec<_> = (0..shown.len()).map(width).collect();
    let set_line = |line: &Vec<String>| {
        let cells: String = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        cells.trim_end().to_owned() + "\n"
    };
    lines.iter().map(set_line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Columns stand as kubectl sets them, and those for `-o wide` are left out.
    #[test]
    fn a_table_is_kubectls() {
        let text = r#"{"columnDefinitions":[{"name":"Name","priority":0},{"name":"IP","priority":1},{"name":"Ready","priority":0}],
                       "rows":[{"cells":["redis-leader","10.0.0.1","1/1"]},{"cells":["w",null,null]}]}"#;
        let table: Table = serde_json::from_str(text).unwrap();
        assert_eq!(set(&table), "NAME           READY\nredis-leader   1/1\nw              <none>\n");
    }
}
