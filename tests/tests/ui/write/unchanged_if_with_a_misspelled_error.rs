use cache_runtime::cached;

enum ClearError {
    Forbidden,
}

#[cached(invalidates = ["users"], unchanged_if = |error| matches!(error, ClearError::Forbiden))]
async fn clear() -> Result<(), ClearError> {
    Err(ClearError::Forbidden)
}

fn main() {}
