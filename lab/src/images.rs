//! The images of other people that the lab stands on, pinned. This is the only place that names them.
//!
//! Each can be named anew on the command line or by a variable, for machines that reach no registry or must take their
//! images from one of their own.

/// An image, and what names another one in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pinned {
    /// What a preflight calls it.
    pub check: &'static str,
    /// What it is for, completing "the image of ".
    pub what: &'static str,
    /// The image.
    pub reference: &'static str,
    /// The option that names another one.
    pub option: &'static str,
    /// The variable that does.
    pub variable: &'static str,
}

/// A Kubernetes node for kind 0.30, by digest as kind's release notes give it: a tag may be built anew.
pub const NODE: Pinned = Pinned {
    check: "node-image",
    what: "the cluster's nodes",
    reference: "kindest/node:v1.34.0@sha256:7416a61b42b1662ca6ca89f02028ac133a309a2a30ba309614e8ec94d976dc5a",
    option: "--node-image",
    variable: "LAB_NODE_IMAGE",
};

/// Redis, the official image. 7.2 is the last release under the licence that distributions ship.
pub const REDIS: Pinned = Pinned {
    check: "redis-image",
    what: "Redis",
    reference: "redis:7.2-bookworm",
    option: "--redis-image",
    variable: "LAB_REDIS_IMAGE",
};

/// What the export's image is built on: NFS-Ganesha comes from this release's own packages.
pub const BASE: Pinned = Pinned {
    check: "base-image",
    what: "the export's base",
    reference: "debian:bookworm-slim",
    option: "--base-image",
    variable: "LAB_BASE_IMAGE",
};
