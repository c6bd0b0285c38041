impl Users {
    pub async fn remove(&self, id: u64) {
        let __cache = ::cache_runtime::__private_0_1_0::current();
        let __site: &'static ::cache_runtime::__private_0_1_0::Site = Self::__remove_site();
        let __shape = {
            #[allow(unused_imports)]
            use ::cache_runtime::__private_0_1_0::{
                ProbeFallible as _, ProbeFallibleOptional as _, ProbeFallibleOptionalShared as _,
                ProbeFallibleShared as _, ProbeOptional as _, ProbePlain as _,
            };
            (&&&&&&&&&&::cache_runtime::__private_0_1_0::Probe::<()>::new()).shape()
        };
        #[allow(unused_qualifications)]
        let (__key, __tags, __targets, __bypass) = {
            let __bypass = false;
            (
                ::core::option::Option::None,
                ::std::vec::Vec::new(),
                <[_]>::into_vec(::std::boxed::Box::new([
                    ::cache_runtime::__private_0_1_0::target(self.find_entry(&id)),
                    {
                        let mut __target = ::cache_runtime::__private_0_1_0::tag_key(&__cache);
                        ::cache_runtime::__private_0_1_0::literal(&mut __target, "org:");
                        ::cache_runtime::__private_0_1_0::open(&mut __target, 0u8);
                        ::cache_runtime::__private_0_1_0::KeyPart::write_part(&self.org, &mut __target);
                        ::cache_runtime::__private_0_1_0::close(&mut __target);
                        ::cache_runtime::__private_0_1_0::tag_target(&__cache, __target)
                    },
                    {
                        let mut __target = ::cache_runtime::__private_0_1_0::target_key();
                        ::cache_runtime::__private_0_1_0::literal(&mut __target, "user:");
                        ::cache_runtime::__private_0_1_0::open(&mut __target, 0u8);
                        <u64 as ::cache_runtime::__private_0_1_0::KeyPart>::write_part(&id, &mut __target);
                        ::cache_runtime::__private_0_1_0::close(&mut __target);
                        ::cache_runtime::__private_0_1_0::literal(&mut __target, ":*");
                        ::cache_runtime::__private_0_1_0::pattern_target(&__cache, __target)
                    },
                ])),
                __bypass,
            )
        };
        let mut __write =
            ::cache_runtime::__private_0_1_0::write(&__cache, __site, __key, __tags, __targets, __bypass)
                .await;
        let __output: () = __write.run(self.remove_uncached(id)).await;
        let __late = ::std::vec::Vec::new();
        __write.finish(__shape, __output, __late).await
    }
    #[doc(hidden)]
    #[allow(dead_code, missing_docs, unreachable_pub)]
    #[allow(
        clippy::too_many_arguments,
        clippy::type_complexity,
        clippy::extra_unused_type_parameters,
        clippy::unused_async
    )]
    pub async fn remove_uncached(&self, id: u64) {
        let _ = &id;
        ({ self.delete(id).await })
    }
    #[doc(hidden)]
    #[allow(dead_code)]
    fn __remove_site() -> &'static ::cache_runtime::__private_0_1_0::Site {
        static __SITE: ::cache_runtime::__private_0_1_0::Site =
            ::cache_runtime::__private_0_1_0::Site::new(::cache_runtime::__private_0_1_0::SiteConfig {
                function: ::core::concat!(::core::module_path!(), "::", "remove"),
                template: "",
                ttl_class: "",
                ..::cache_runtime::__private_0_1_0::SiteConfig::NEW
            });
        ::cache_runtime::__private_0_1_0::inventory::submit! { :: cache_runtime :: __private_0_1_0 :: Registration :: new (:: core :: concat ! (:: core :: module_path ! () , "::" , "remove") , "" , 0u32 , :: core :: option :: Option :: None , & ["user:<id>:*"] , & [] , & ["org:<self.org>"]) }
        &__SITE
    }
}
