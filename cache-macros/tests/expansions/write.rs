async fn update_user(id: u64, change: Change) -> Result<User, DbError> {
    let __cache = ::cache_runtime::__private_0_1_0::current();
    let __site: &'static ::cache_runtime::__private_0_1_0::Site = <update_user>::__site();
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
    #[allow(unused_qualifications)]
    let (__key, __tags, __targets, __bypass) = {
        let __bypass = false;
        (
            ::core::option::Option::Some({
                let mut __key = ::cache_runtime::__private_0_1_0::key(&__cache);
                ::cache_runtime::__private_0_1_0::namespace(&mut __key, &__cache);
                <update_user>::__key(&mut __key, &id);
                __key
            }),
            ::std::vec::Vec::new(),
            <[_]>::into_vec(::std::boxed::Box::new([
                {
                    let mut __target = ::cache_runtime::__private_0_1_0::target_key();
                    ::cache_runtime::__private_0_1_0::literal(&mut __target, "users:top");
                    ::cache_runtime::__private_0_1_0::string_target(&__cache, __target)
                },
                ::cache_runtime::__private_0_1_0::target(<get_user>::entry(&id)),
                ::cache_runtime::__private_0_1_0::target(<self::list>::entry::<u8>(&id)),
            ])),
            __bypass,
        )
    };
    #[allow(unused_qualifications)]
    let __rules = ::cache_runtime::__private_0_1_0::rules(
        __shape,
        |_| {
            ::cache_runtime::__private_0_1_0::Ttl::Class(::cache_runtime::__private_0_1_0::TtlClass::Standard)
        },
        |_| true,
    );
    let mut __write =
        ::cache_runtime::__private_0_1_0::write(&__cache, __site, __key, __tags, __targets, __bypass).await;
    let __output: Result<User, DbError> = __write.run(<update_user>::uncached(id, change)).await;
    let mut __late = ::std::vec::Vec::new();
    if let ::core::option::Option::Some(__made) = ::cache_runtime::__private_0_1_0::made(__shape, &__output) {
        __late.push(::cache_runtime::__private_0_1_0::late(__shape, __made, |made| {
            ::cache_runtime::__private_0_1_0::target(<get_user>::entry(&made.id))
        }));
        __late.push(::cache_runtime::__private_0_1_0::late(__shape, __made, |__made| {
            let mut __target = ::cache_runtime::__private_0_1_0::target_key();
            ::cache_runtime::__private_0_1_0::literal(&mut __target, "org:");
            ::cache_runtime::__private_0_1_0::open(&mut __target, 0u8);
            ::cache_runtime::__private_0_1_0::KeyPart::write_part(&__made.org, &mut __target);
            ::cache_runtime::__private_0_1_0::close(&mut __target);
            ::cache_runtime::__private_0_1_0::string_target(&__cache, __target)
        }));
    }
    ::cache_runtime::__private_0_1_0::finish_storing(__write, __cache_shape, __rules, __output, __late).await
}
#[doc(hidden)]
#[allow(non_camel_case_types, missing_debug_implementations, dead_code)]
struct update_user {}
#[doc(hidden)]
#[allow(dead_code, missing_docs, unreachable_pub, non_camel_case_types)]
impl update_user {
    #[doc(hidden)]
    #[allow(dead_code, missing_docs, unreachable_pub)]
    #[allow(
        clippy::too_many_arguments,
        clippy::type_complexity,
        clippy::extra_unused_type_parameters,
        clippy::unused_async
    )]
    pub(crate) async fn uncached(id: u64, change: Change) -> Result<User, DbError> {
        let _ = &id;
        ({ store(id, change).await })
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
    pub(crate) fn entry(id: &u64) -> ::cache_runtime::__private_0_1_0::Entry<Result<User, DbError>> {
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
                function: ::core::concat!(::core::module_path!(), "::", "update_user"),
                template: "user:<id>",
                ttl_class: "STANDARD",
                settle: ::core::time::Duration::from_millis(500u64),
                ..::cache_runtime::__private_0_1_0::SiteConfig::NEW
            });
        ::cache_runtime::__private_0_1_0::inventory::submit! { :: cache_runtime :: __private_0_1_0 :: Registration :: new (:: core :: concat ! (:: core :: module_path ! () , "::" , "update_user") , "user:<id>" , 0u32 , :: core :: option :: Option :: Some (|| :: core :: any :: type_name :: < Result < User , DbError > > ()) , & ["users:top" , "org:<return.org>"] , & [] , & []) }
        &__SITE
    }
}
