pub mod checkpoint;
pub mod consistency;
pub mod entries;
pub mod entry;
pub mod export;
pub mod inclusion;
pub mod tile;
