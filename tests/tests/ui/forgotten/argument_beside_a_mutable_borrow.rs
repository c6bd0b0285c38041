use cache_runtime::cached;

pub struct Table;

#[cached(ttl = "STANDARD", key = "user:<id>", skip = [table])]
async fn put(table: &mut Table, id: u64, name: String) -> u64 {
    drop(name);
    let _ = table;
    id
}

fn main() {}
