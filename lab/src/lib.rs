//! Everything that touches processes, containers, clusters and clouds: where the tutorial's environment stands, the
//! flow that is run on it, and the record of a run.

pub mod cli;
pub mod cluster;
pub mod command;
pub mod console;
pub mod datasets;
pub mod docker;
pub mod evidence;
pub mod export;
pub mod failure;
pub mod flow;
pub mod gcloud;
pub mod github;
pub mod image;
pub mod images;
pub mod interrupt;
pub mod job;
pub mod judge;
pub mod kill_point;
pub mod ledger;
pub mod manifests;
pub mod places;
pub mod plain_file;
pub mod preflight;
pub mod process;
pub mod record;
pub mod redis_server;
pub mod registry;
pub mod state;
pub mod step;
pub mod target;
pub mod verdict;
pub mod wait;
