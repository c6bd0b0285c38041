#[doc = r" Finds one."]
#[cfg(unix)]
#[doc = "\n\n# Cache\nCached under `find:<T>:<N>:<org>:<id>:<name>`."]
async fn find<'a, T: Clone, const N: usize>(
    __cache_arg0: (u64, T),
    name: &'a str,
    pool: &Pool,
) -> Option<Vec<T>> {
    let __cache = ::cache_runtime::__private_0_1_0::cache(&(pool.cache));
    let __site: &'static ::cache_runtime::__private_0_1_0::Site = <find>::__site();
    let __shape = {
        #[allow(unused_imports)]
        use ::cache_runtime::__private_0_1_0::{
            ProbeFallible as _, ProbeFallibleOptional as _, ProbeFallibleOptionalShared as _,
            ProbeFallibleShared as _, ProbeOptional as _, ProbePlain as _,
        };
        (&&&&&&&&&&::cache_runtime::__private_0_1_0::Probe::<Option<Vec<T>>>::new()).shape()
    };
    <Option<Vec<T>> as ::cache_runtime::__private_0_1_0::MayBeAbsent>::fits();
    let __cache_shape = __shape;
    ::cache_runtime::__private_0_1_0::ResultValue::fits(::cache_runtime::__private_0_1_0::value_of(
        __cache_shape,
    ));
    let mut __key = ::cache_runtime::__private_0_1_0::key(&__cache);
    ::cache_runtime::__private_0_1_0::namespace(&mut __key, &__cache);
    #[allow(unused_qualifications)]
    let __bypass = {
        #[allow(unused_variables, clippy::pattern_type_mismatch)]
        let (org, id) = &__cache_arg0;
        #[allow(clippy::redundant_type_annotations)]
        let __bypass: ::core::primitive::bool = org == 0;
        <find>::__key::<T, N>(&mut __key, &__cache_arg0, &name, &pool);
        __bypass
    };
    if let ::core::option::Option::Some(__hit) =
        ::cache_runtime::__private_0_1_0::local(&__cache, __site, &__key, __bypass, __cache_shape)
    {
        return __hit;
    }
    let __call = ::cache_runtime::__private_0_1_0::call(&__cache, __site, __key, __bypass);
    #[allow(unused_qualifications)]
    let __call = __call.tagged(<find>::__tags::<T, N>(&__cache, &__cache_arg0, &name, &pool));
    #[allow(unused_qualifications)]
    let __rules = ::cache_runtime::__private_0_1_0::rules(
        __shape,
        |users| ::cache_runtime::__private_0_1_0::ttl(life(users)),
        |users| !users.is_empty(),
    );
    let __body = <find>::uncached::<T, N>(__cache_arg0, name, pool);
    let __body = || __body;
    let __launch = ::cache_runtime::__private_0_1_0::Attached;
    let __cache_launch = __launch;
    __cache_launch.read(__call, __cache_shape, __rules, __body).await
}
#[cfg(unix)]
#[doc(hidden)]
#[allow(non_camel_case_types, missing_debug_implementations, dead_code)]
struct find {}
#[cfg(unix)]
#[doc(hidden)]
#[allow(dead_code, missing_docs, unreachable_pub, non_camel_case_types)]
impl find {
    #[cfg(unix)]
    #[doc(hidden)]
    #[allow(dead_code, missing_docs, unreachable_pub)]
    #[allow(
        clippy::too_many_arguments,
        clippy::type_complexity,
        clippy::extra_unused_type_parameters,
        clippy::unused_async
    )]
    pub(crate) async fn uncached<'a, T: Clone, const N: usize>(
        (org, mut id): (u64, T),
        name: &'a str,
        pool: &Pool,
    ) -> Option<Vec<T>> {
        let _ = &org;
        let _ = &id;
        let _ = &name;
        let _ = &pool;
        ({ body(org, id, name, pool).await })
    }
    #[cfg(unix)]
    #[doc(hidden)]
    #[allow(
        dead_code,
        missing_docs,
        unreachable_pub,
        unused_qualifications,
        clippy::all,
        clippy::pedantic,
        clippy::nursery,
        clippy::restriction
    )]
    pub(crate) fn entry<T: Clone, const N: usize>(
        __cache_arg0: &(u64, T),
        name: &str,
        pool: &Pool,
    ) -> ::cache_runtime::__private_0_1_0::Entry<Option<Vec<T>>> {
        #[allow(unused_variables, clippy::pattern_type_mismatch)]
        let (org, id) = &__cache_arg0;
        let __cache = ::cache_runtime::__private_0_1_0::cache(&(pool.cache));
        ::cache_runtime::__private_0_1_0::entry(
            &__cache,
            Self::__site(),
            {
                let mut __key = ::cache_runtime::__private_0_1_0::key(&__cache);
                ::cache_runtime::__private_0_1_0::namespace(&mut __key, &__cache);
                Self::__key::<T, N>(&mut __key, __cache_arg0, name, pool);
                __key
            },
            Self::__tags::<T, N>(&__cache, __cache_arg0, name, pool),
            {
                let __shape = {
                    #[allow(unused_imports)]
                    use ::cache_runtime::__private_0_1_0::{
                        ProbeFallible as _, ProbeFallibleOptional as _, ProbeFallibleOptionalShared as _,
                        ProbeFallibleShared as _, ProbeOptional as _, ProbePlain as _,
                    };
                    (&&&&&&&&&&::cache_runtime::__private_0_1_0::Probe::<Option<Vec<T>>>::new()).shape()
                };
                ::cache_runtime::__private_0_1_0::entry_rules(
                    __shape,
                    ::cache_runtime::__private_0_1_0::rules(
                        __shape,
                        |users| ::cache_runtime::__private_0_1_0::ttl(life(users)),
                        |users| !users.is_empty(),
                    ),
                )
            },
        )
    }
    #[cfg(unix)]
    #[doc(hidden)]
    #[inline]
    #[allow(
        dead_code,
        unused_variables,
        unused_qualifications,
        clippy::all,
        clippy::pedantic,
        clippy::nursery,
        clippy::restriction
    )]
    fn __key<T: Clone, const N: usize>(
        mut __key: &mut ::cache_runtime::__private_0_1_0::KeyWriter,
        __cache_arg0: &(u64, T),
        name: &str,
        pool: &Pool,
    ) -> () {
        #[allow(unused_variables, clippy::pattern_type_mismatch)]
        let (org, id) = &__cache_arg0;
        ::cache_runtime::__private_0_1_0::literal(&mut __key, "v2:find:");
        ::cache_runtime::__private_0_1_0::open(&mut __key, 0u8);
        ::cache_runtime::__private_0_1_0::type_name::<T>(&mut __key);
        ::cache_runtime::__private_0_1_0::close(&mut __key);
        ::cache_runtime::__private_0_1_0::literal(&mut __key, ":");
        ::cache_runtime::__private_0_1_0::open(&mut __key, 0u8);
        ::cache_runtime::__private_0_1_0::KeyPart::write_part(&{ N }, &mut __key);
        ::cache_runtime::__private_0_1_0::close(&mut __key);
        ::cache_runtime::__private_0_1_0::literal(&mut __key, ":");
        ::cache_runtime::__private_0_1_0::open(&mut __key, 0u8);
        ::cache_runtime::__private_0_1_0::KeyPart::write_part(&org, &mut __key);
        ::cache_runtime::__private_0_1_0::close(&mut __key);
        ::cache_runtime::__private_0_1_0::literal(&mut __key, ":");
        ::cache_runtime::__private_0_1_0::open(&mut __key, 0u8);
        ::cache_runtime::__private_0_1_0::KeyPart::write_part(&id, &mut __key);
        ::cache_runtime::__private_0_1_0::close(&mut __key);
        ::cache_runtime::__private_0_1_0::literal(&mut __key, ":");
        ::cache_runtime::__private_0_1_0::open(&mut __key, 0u8);
        <str as ::cache_runtime::__private_0_1_0::KeyPart>::write_part(&name, &mut __key);
        ::cache_runtime::__private_0_1_0::close(&mut __key);
    }
    #[cfg(unix)]
    #[doc(hidden)]
    #[inline]
    #[allow(
        dead_code,
        unused_variables,
        unused_qualifications,
        clippy::all,
        clippy::pedantic,
        clippy::nursery,
        clippy::restriction
    )]
    fn __tags<T: Clone, const N: usize>(
        __cache: &::cache_runtime::__private_0_1_0::Cache,
        __cache_arg0: &(u64, T),
        name: &str,
        pool: &Pool,
    ) -> ::std::vec::Vec<::cache_runtime::__private_0_1_0::KeyWriter> {
        #[allow(unused_variables, clippy::pattern_type_mismatch)]
        let (org, id) = &__cache_arg0;
        <[_]>::into_vec(::std::boxed::Box::new([{
            let mut __tag = ::cache_runtime::__private_0_1_0::tag_key(__cache);
            ::cache_runtime::__private_0_1_0::literal(&mut __tag, "org:");
            ::cache_runtime::__private_0_1_0::open(&mut __tag, 0u8);
            ::cache_runtime::__private_0_1_0::KeyPart::write_part(&org, &mut __tag);
            ::cache_runtime::__private_0_1_0::close(&mut __tag);
            __tag
        }]))
    }
    fn __site() -> &'static ::cache_runtime::__private_0_1_0::Site {
        static __SITE: ::cache_runtime::__private_0_1_0::Site =
            ::cache_runtime::__private_0_1_0::Site::new(::cache_runtime::__private_0_1_0::SiteConfig {
                function: ::core::concat!(::core::module_path!(), "::", "find"),
                template: "find:<T>:<N>:<org>:<id>:<name>",
                ttl_class: "custom",
                version: 2u32,
                jitter: 0.5f64,
                negative_ttl: ::core::option::Option::Some(::cache_runtime::__private_0_1_0::Ttl::For(
                    ::core::time::Duration::from_millis(30000u64),
                )),
                stale_if_error: ::core::time::Duration::from_millis(60000u64),
                local: ::cache_runtime::__private_0_1_0::LocalTtl::For(::core::time::Duration::from_millis(
                    5000u64,
                )),
                tags: &["org:<org>"],
                tags_in_key: true,
                ..::cache_runtime::__private_0_1_0::SiteConfig::NEW
            });
        ::cache_runtime::__private_0_1_0::inventory::submit! { :: cache_runtime :: __private_0_1_0 :: Registration :: new (:: core :: concat ! (:: core :: module_path ! () , "::" , "find") , "find:<T>:<N>:<org>:<id>:<name>" , 2u32 , :: core :: option :: Option :: None , & [] , & ["org:<org>"] , & []) }
        &__SITE
    }
}
