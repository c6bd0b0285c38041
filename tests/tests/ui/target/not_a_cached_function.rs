use cache_runtime::cached;

async fn plain(id: u64) -> u64 {
    id
}

#[cached(invalidates = [plain(id)])]
async fn delete_user(id: u64) {
    plain(id).await;
}

fn main() {}
