pub async fn get_user(id: u64) -> Result<User, DbError> {
    let __cache = ::cache_runtime::__private_0_1_0::current();
    let __site: &'static ::cache_runtime::__private_0_1_0::Site = <get_user>::__site();
    let __shape = {
        #[allow(unused_imports)]
        use ::cache_runtime::__private_0_1_0::{
            ProbeFallible as _, ProbeFallibleOptional as _, ProbeFallibleOptionalShared as _,
            ProbeFallibleShared as _, ProbeOptional as _, ProbePlain as _,
        };
        (&&&&&&&&&&::cache_runtime::__private_0_1_0::Probe::<Result<User, DbError>>::new()).shape()
    };
    let __cache_shape = __shape;
    ::cache_runtime::__private_0_1_0::ResultValue::fits(::cache_runtime::__private_0_1_0::value_of(
        __cache_shape,
    ));
    let mut __key = ::cache_runtime::__private_0_1_0::key(&__cache);
    ::cache_runtime::__private_0_1_0::namespace(&mut __key, &__cache);
    #[allow(unused_qualifications)]
    let __bypass = {
        let __bypass = false;
        <get_user>::__key(&mut __key, &id);
        __bypass
    };
    if let ::core::option::Option::Some(__hit) =
        ::cache_runtime::__private_0_1_0::local(&__cache, __site, &__key, __bypass, __cache_shape)
    {
        return __hit;
    }
    let __call = ::cache_runtime::__private_0_1_0::call(&__cache, __site, __key, __bypass);
    #[allow(unused_qualifications)]
    let __rules = ::cache_runtime::__private_0_1_0::rules(
        __shape,
        |_| {
            ::cache_runtime::__private_0_1_0::Ttl::Class(::cache_runtime::__private_0_1_0::TtlClass::Standard)
        },
        |_| true,
    );
    let __body =
        move || ::cache_runtime::__private_0_1_0::carried(async move { <get_user>::uncached(id).await });
    let __launch = {
        #[allow(unused_imports)]
        use ::cache_runtime::__private_0_1_0::{LaunchAttached as _, LaunchDetached as _};
        #[allow(unreachable_code, clippy::diverging_sub_expression)]
        let __how =
            ::cache_runtime::__private_0_1_0::Launch::of(|| <get_user>::uncached(::core::unreachable!()), ());
        (&&__how).launch()
    };
    let __cache_launch = __launch;
    __cache_launch.read(__call, __cache_shape, __rules, __body).await
}
#[doc(hidden)]
#[allow(non_camel_case_types, missing_debug_implementations, dead_code)]
pub struct get_user {}
#[doc(hidden)]
#[allow(dead_code, missing_docs, unreachable_pub, non_camel_case_types)]
impl get_user {
    #[doc(hidden)]
    #[allow(dead_code, missing_docs, unreachable_pub)]
    #[allow(
        clippy::too_many_arguments,
        clippy::type_complexity,
        clippy::extra_unused_type_parameters,
        clippy::unused_async
    )]
    pub async fn uncached(id: u64) -> Result<User, DbError> {
        let _ = &id;
        ({ load(id).await })
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
    pub fn entry(id: &u64) -> ::cache_runtime::__private_0_1_0::Entry<Result<User, DbError>> {
        let __cache = ::cache_runtime::__private_0_1_0::current();
        ::cache_runtime::__private_0_1_0::entry(
            &__cache,
            Self::__site(),
            {
                let mut __key = ::cache_runtime::__private_0_1_0::key(&__cache);
                ::cache_runtime::__private_0_1_0::namespace(&mut __key, &__cache);
                Self::__key(&mut __key, id);
                __key
            },
            ::std::vec::Vec::new(),
            ::cache_runtime::__private_0_1_0::EntryRules::Fixed(
                ::cache_runtime::__private_0_1_0::Ttl::Class(
                    ::cache_runtime::__private_0_1_0::TtlClass::Standard,
                ),
            ),
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
    fn __key(mut __key: &mut ::cache_runtime::__private_0_1_0::KeyWriter, id: &u64) -> () {
        ::cache_runtime::__private_0_1_0::literal(&mut __key, "user:");
        ::cache_runtime::__private_0_1_0::open(&mut __key, 0u8);
        <u64 as ::cache_runtime::__private_0_1_0::KeyPart>::write_part(&id, &mut __key);
        ::cache_runtime::__private_0_1_0::close(&mut __key);
    }
    fn __site() -> &'static ::cache_runtime::__private_0_1_0::Site {
        static __SITE: ::cache_runtime::__private_0_1_0::Site =
            ::cache_runtime::__private_0_1_0::Site::new(::cache_runtime::__private_0_1_0::SiteConfig {
                function: ::core::concat!(::core::module_path!(), "::", "get_user"),
                template: "user:<id>",
                ttl_class: "STANDARD",
                ..::cache_runtime::__private_0_1_0::SiteConfig::NEW
            });
        ::cache_runtime::__private_0_1_0::inventory::submit! { :: cache_runtime :: __private_0_1_0 :: Registration :: new (:: core :: concat ! (:: core :: module_path ! () , "::" , "get_user") , "user:<id>" , 0u32 , :: core :: option :: Option :: Some (|| :: core :: any :: type_name :: < Result < User , DbError > > ()) , & [] , & [] , & []) }
        &__SITE
    }
}
