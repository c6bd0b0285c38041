async fn store_user(user: User) -> Result<(), DbError> {
    let __cache = ::cache_runtime::__private_0_1_0::current();
    let __site: &'static ::cache_runtime::__private_0_1_0::Site = <store_user>::__site();
    let __shape = {
        #[allow(unused_imports)]
        use ::cache_runtime::__private_0_1_0::{
            ProbeFallible as _, ProbeFallibleOptional as _, ProbeFallibleOptionalShared as _,
            ProbeFallibleShared as _, ProbeOptional as _, ProbePlain as _,
        };
        (&&&&&&&&&&::cache_runtime::__private_0_1_0::Probe::<Result<(), DbError>>::new()).shape()
    };
    #[allow(unused_qualifications)]
    let (__key, __tags, __targets, __bypass) = {
        let __bypass = false;
        (
            ::core::option::Option::Some({
                let mut __key = ::cache_runtime::__private_0_1_0::key(&__cache);
                ::cache_runtime::__private_0_1_0::namespace(&mut __key, &__cache);
                <store_user>::__key(&mut __key, &user);
                __key
            }),
            ::std::vec::Vec::new(),
            ::std::vec::Vec::new(),
            __bypass,
        )
    };
    let mut __write =
        ::cache_runtime::__private_0_1_0::write(&__cache, __site, __key, __tags, __targets, __bypass).await;
    {
        ::cache_runtime::__private_0_1_0::store_argument(
            &mut __write,
            &user,
            |_| ::cache_runtime::__private_0_1_0::ttl(Ttl::default()),
            |_| true,
        );
    }
    let __body =
        move || ::cache_runtime::__private_0_1_0::carried(async move { <store_user>::uncached(user).await });
    let __launch = {
        #[allow(unused_imports)]
        use ::cache_runtime::__private_0_1_0::{LaunchAttached as _, LaunchDetached as _};
        #[allow(unreachable_code, clippy::diverging_sub_expression)]
        let __how = ::cache_runtime::__private_0_1_0::Launch::of(
            || <store_user>::uncached(::core::unreachable!()),
            (),
        );
        (&&__how).launch()
    };
    let __body = __body();
    __launch
        .write(__write.home(), async move {
            let __output: Result<(), DbError> = __write.run(__body).await;
            let __late = ::std::vec::Vec::new();
            __write.finish(__shape, __output, __late).await
        })
        .await
}
#[doc(hidden)]
#[allow(non_camel_case_types, missing_debug_implementations, dead_code)]
struct store_user {}
#[doc(hidden)]
#[allow(dead_code, missing_docs, unreachable_pub, non_camel_case_types)]
impl store_user {
    #[doc(hidden)]
    #[allow(dead_code, missing_docs, unreachable_pub)]
    #[allow(
        clippy::too_many_arguments,
        clippy::type_complexity,
        clippy::extra_unused_type_parameters,
        clippy::unused_async
    )]
    pub(crate) async fn uncached(user: User) -> Result<(), DbError> {
        let _ = &user;
        ({ insert(user).await })
    }
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
    pub(crate) fn entry(user: &User) -> ::cache_runtime::__private_0_1_0::Entry<Result<(), DbError>> {
        let __cache = ::cache_runtime::__private_0_1_0::current();
        ::cache_runtime::__private_0_1_0::entry(
            &__cache,
            Self::__site(),
            {
                let mut __key = ::cache_runtime::__private_0_1_0::key(&__cache);
                ::cache_runtime::__private_0_1_0::namespace(&mut __key, &__cache);
                Self::__key(&mut __key, user);
                __key
            },
            ::std::vec::Vec::new(),
            ::cache_runtime::__private_0_1_0::EntryRules::Fixed(::cache_runtime::__private_0_1_0::ttl(
                Ttl::default(),
            )),
        )
    }
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
    fn __key(mut __key: &mut ::cache_runtime::__private_0_1_0::KeyWriter, user: &User) -> () {
        ::cache_runtime::__private_0_1_0::literal(&mut __key, "user:");
        ::cache_runtime::__private_0_1_0::open(&mut __key, 0u8);
        ::cache_runtime::__private_0_1_0::KeyPart::write_part(&user.id, &mut __key);
        ::cache_runtime::__private_0_1_0::close(&mut __key);
    }
    fn __site() -> &'static ::cache_runtime::__private_0_1_0::Site {
        static __SITE: ::cache_runtime::__private_0_1_0::Site =
            ::cache_runtime::__private_0_1_0::Site::new(::cache_runtime::__private_0_1_0::SiteConfig {
                function: ::core::concat!(::core::module_path!(), "::", "store_user"),
                template: "user:<user.id>",
                ttl_class: "custom",
                ..::cache_runtime::__private_0_1_0::SiteConfig::NEW
            });
        ::cache_runtime::__private_0_1_0::inventory::submit! { :: cache_runtime :: __private_0_1_0 :: Registration :: new (:: core :: concat ! (:: core :: module_path ! () , "::" , "store_user") , "user:<user.id>" , 0u32 , :: core :: option :: Option :: Some (|| :: core :: any :: type_name :: < Result < () , DbError > > ()) , & [] , & [] , & []) }
        &__SITE
    }
}
