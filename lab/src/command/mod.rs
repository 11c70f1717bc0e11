//! The commands, one file each.

pub mod doctor;
pub mod down;
pub mod e2e;
pub mod explain;
pub mod export_image;
pub mod gc;
pub mod logs;
pub mod redis_server;
pub mod status;
pub mod up;
