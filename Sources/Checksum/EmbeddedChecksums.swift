// Made by Scripts/embed-checksums.sh from the files in checksums/, which name their sources. Do not edit: change those,
// then `make registry`.

// swift-format-ignore-file

/// The files of checksums/: path below that folder, and text.
enum EmbeddedChecksums {
  static let files: [(path: String, text: String)] = [
    ("BELLE-LLaMA-13B-2M-enc.enc.md5", ##"""
029965adbff7a240f33d040dedca0a54  config.json.e366f0c901ee336cb921450f975b3e3c5e32874035d227f4263dbcb5d966b822.enc
b1cc6321ba72757b82842cc44ffadbf3  generation_config.json.fd7ff399e5568cc21a0a8414f43df88ef7c424995b9b97a90563165d2cf79efd.enc
0311f7aac77860f24e5d6379043a1c5e  pytorch_model-00001-of-00003.bin.5abb160ecbd441c6a1fbe00a9eaa194ee0bd8cd75850c24f503336bd29f0dc45.enc
e1f8ffc06377eaa516c72091d49af6ec  pytorch_model-00002-of-00003.bin.46a0e748edff9f0f82aa5f3e721e80e0f342f3d03dc47d0ec6514ea78a585320.enc
cae7b4ee8d1ad4e4402632bb0600cc17  tokenizer_config.json.ef7ef410b9b909949e96f172b17cbf7c68b11761c632715fa05a6088c0c2b9ac.enc

"""##),
    ("BELLE-LLaMA-13B-2M-enc.enc.sha256", ##"""
552aec5e0fab8af10973d1ab1fc108b9064d4401ecd16a5229585cfe1e640799  pytorch_model-00001-of-00003.bin.5abb160ecbd441c6a1fbe00a9eaa194ee0bd8cd75850c24f503336bd29f0dc45.enc
ffffb62797da8b08afb553de43c9ae6a010f43c693f7a27c00f36702dab6b9db  pytorch_model-00002-of-00003.bin.46a0e748edff9f0f82aa5f3e721e80e0f342f3d03dc47d0ec6514ea78a585320.enc
23348ead2d2b0ccd2923ae3243ef7be7eb6ad28bd9843dffb8ea4eb7e3869e5f  pytorch_model-00003-of-00003.bin.ec6e4d45dc4c51f2b9abff5ea9840f06f633e065cdf574b71e96366c26a01578.enc
25e931c8477a4fe8af4365fcaf5c4fe8779730b683bfe9fe0c543a4d6ee2f5f9  pytorch_model.bin.index.json.72e91e29282dae48ea5562fcf4d6ca0d5a9c2a30ebc8d67174a19e192552a20b.enc
8f7df39972baff24e9e11205ca80dbfb71c73ca503488c902c5cbfa064c04260  tokenizer.model.9e556afd44213b6bd1be2b850ebbbd98f5481437a8021afaf58ee7fb1818d347.enc

"""##),
    ("BELLE-LLaMA-13B-2M-enc.sha256", ##"""
e366f0c901ee336cb921450f975b3e3c5e32874035d227f4263dbcb5d966b822  config.json
fd7ff399e5568cc21a0a8414f43df88ef7c424995b9b97a90563165d2cf79efd  generation_config.json
5abb160ecbd441c6a1fbe00a9eaa194ee0bd8cd75850c24f503336bd29f0dc45  pytorch_model-00001-of-00003.bin
46a0e748edff9f0f82aa5f3e721e80e0f342f3d03dc47d0ec6514ea78a585320  pytorch_model-00002-of-00003.bin
ec6e4d45dc4c51f2b9abff5ea9840f06f633e065cdf574b71e96366c26a01578  pytorch_model-00003-of-00003.bin
72e91e29282dae48ea5562fcf4d6ca0d5a9c2a30ebc8d67174a19e192552a20b  pytorch_model.bin.index.json
44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a  special_tokens_map.json
9e556afd44213b6bd1be2b850ebbbd98f5481437a8021afaf58ee7fb1818d347  tokenizer.model
ef7ef410b9b909949e96f172b17cbf7c68b11761c632715fa05a6088c0c2b9ac  tokenizer_config.json

"""##),
    ("BELLE-LLaMA-7B-0.6M-enc.enc.md5", ##"""
ff291fcfa4e0048ca4ff262312faad83  tokenizer_config.json.ef7ef410b9b909949e96f172b17cbf7c68b11761c632715fa05a6088c0c2b9ac.enc
39ec1b33fbf9a0934a8ae0f9a24c7163  tokenizer.model.9e556afd44213b6bd1be2b850ebbbd98f5481437a8021afaf58ee7fb1818d347.enc

"""##),
    ("BELLE-LLaMA-7B-0.6M-enc.md5", ##"""
32490e7229fb82c643e3a7b8d04a6c4b  config.json

"""##),
    ("BELLE-LLaMA-7B-0.6M-enc.sha256", ##"""
db303d8f096e427bd21ff97bb169c84fb3ae11336a644e3da3506419d44f6429  config.json
fd7ff399e5568cc21a0a8414f43df88ef7c424995b9b97a90563165d2cf79efd  generation_config.json
e928a21ab00c6c5a6621be5fe6e5d55103249b73d6374f178b086903ff468db6  pytorch_model.bin
44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a  special_tokens_map.json
9e556afd44213b6bd1be2b850ebbbd98f5481437a8021afaf58ee7fb1818d347  tokenizer.model
ef7ef410b9b909949e96f172b17cbf7c68b11761c632715fa05a6088c0c2b9ac  tokenizer_config.json

"""##),
    ("BELLE-LLaMA-7B-2M-enc.enc.md5", ##"""
c066b68b4139328e87a694020fc3a6c3  special_tokens_map.json.ca3d163bab055381827226140568f3bef7eaac187cebd76878e0b63e9e442356.enc
39ec1b33fbf9a0934a8ae0f9a24c7163  tokenizer.model.9e556afd44213b6bd1be2b850ebbbd98f5481437a8021afaf58ee7fb1818d347.enc

"""##),
    ("BELLE-LLaMA-7B-2M-enc.enc.sha256", ##"""
45b6b4aa381f0ed4f43ec90fad7e3914cb341f1e336044aaa25d614d98dc7217  pytorch_model-00001-of-00002.bin.166879223b7504f1632d72b1577d57bceaa8fdeee1857c61119e575c50a4aae5.enc
ce05c653a133cac4c67cbb81eaeb5ab0565e4776c71f8397f548fcc8daa7edb5  pytorch_model-00002-of-00002.bin.2319db050dc286cb22c6e08a51a4ec0d9377017a7182a20a12c39eb658f39c80.enc

"""##),
    ("BELLE-LLaMA-7B-2M-enc.md5", ##"""
a57bf2d0d7ec2590740bc4175262610b  config.json

"""##),
    ("BELLE-LLaMA-7B-2M-enc.sha256", ##"""
99a4ef2a26cb38c7f684cb83ed9343f660c561dd5a02a97d1b34b47419324dc5  config.json
fd7ff399e5568cc21a0a8414f43df88ef7c424995b9b97a90563165d2cf79efd  generation_config.json
166879223b7504f1632d72b1577d57bceaa8fdeee1857c61119e575c50a4aae5  pytorch_model-00001-of-00002.bin
2319db050dc286cb22c6e08a51a4ec0d9377017a7182a20a12c39eb658f39c80  pytorch_model-00002-of-00002.bin
f56e69fedde5d28e4f37f2b62f74e8522bbfa13395a6d696d1ef99222a431ab7  pytorch_model.bin.index.json
ca3d163bab055381827226140568f3bef7eaac187cebd76878e0b63e9e442356  special_tokens_map.json
9e556afd44213b6bd1be2b850ebbbd98f5481437a8021afaf58ee7fb1818d347  tokenizer.model
a672113277a674d753b5cdcfa6bfc860dc69bfcc5511bdccb0c6af3ed08873a0  tokenizer_config.json

"""##),
    ("BELLE-LLaMA-7B-2M-gptq-enc.enc.md5", ##"""
340aa9ee27fa7931ccbabcc30f2f8a27  config.json.db303d8f096e427bd21ff97bb169c84fb3ae11336a644e3da3506419d44f6429.enc
f9b33d359f17a437f6c24b4de6f2272e  generation_config.json.fd7ff399e5568cc21a0a8414f43df88ef7c424995b9b97a90563165d2cf79efd.enc

"""##),
    ("BELLE-LLaMA-7B-2M-gptq-enc.enc.sha256", ##"""
8d1dd7da5380a8ebe4e0a6c2c80ef39f19089541f35ae309cfc0365709f5628f  llama7b-2m-4bit-128g.pt.8576bae21290e9e75a60f38a6010709255656b19330a0df9a4bf50e1ee83fc51.enc
ee42e3afa8b5aea42dfdef8cd209e5c83303bb30c9a293c4b0890aad682cf8e0  llama7b-2m-8bit-128g.pt.44227e0ee3633967c555ed9ba7a89f340955545f6e32f7d5dfdc28603f6e27d2.enc
9aa629114300e9f13e4b12340f41a095579e4d6bfc6186edb2dd38fff8fa98dc  tokenizer.model.9e556afd44213b6bd1be2b850ebbbd98f5481437a8021afaf58ee7fb1818d347.enc

"""##),
    ("BELLE-LLaMA-7B-2M-gptq-enc.sha256", ##"""
db303d8f096e427bd21ff97bb169c84fb3ae11336a644e3da3506419d44f6429  config.json
fd7ff399e5568cc21a0a8414f43df88ef7c424995b9b97a90563165d2cf79efd  generation_config.json
8576bae21290e9e75a60f38a6010709255656b19330a0df9a4bf50e1ee83fc51  llama7b-2m-4bit-128g.pt
44227e0ee3633967c555ed9ba7a89f340955545f6e32f7d5dfdc28603f6e27d2  llama7b-2m-8bit-128g.pt
44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a  special_tokens_map.json
9e556afd44213b6bd1be2b850ebbbd98f5481437a8021afaf58ee7fb1818d347  tokenizer.model
ef7ef410b9b909949e96f172b17cbf7c68b11761c632715fa05a6088c0c2b9ac  tokenizer_config.json

"""##),
    ("BELLE-LLaMA-EXT-13B.enc.md5", ##"""
211b6252c73e638cb87e04edef1c91c6  config.json.7b4504868ddce248768954077a76ffe29a34c6cc2b4510426b4da77d1e9afb4c.enc
f9b33d359f17a437f6c24b4de6f2272e  generation_config.json.fd7ff399e5568cc21a0a8414f43df88ef7c424995b9b97a90563165d2cf79efd.enc
07efffcfb738722f00c9b7ac81044bb9  pytorch_model-00001-of-00003.bin.1a523c0d01807d7fcde8d73537f09e346ff303a4769b8a6659114358621fc838.enc
fe66f8672c07e9e5bdfec4dd45e1e093  pytorch_model-00002-of-00003.bin.98e48fb6812bb87843c7276a85ed34124f67df5654d8cf0b6bb9302ecfe3a37f.enc
b3b4a0f1d6b399543d3d7ac50f9ce936  pytorch_model-00003-of-00003.bin.79921900f30a9ec501177fca2f593f90cb9f5ab235c05863cc4d384450cf3f6f.enc
7aef01bb265647be2a9acd1c7ea69bd8  pytorch_model.bin.index.json.af10ab40cc0368fba37018148447e3dcd9b72829a38e26c9eaf3eda3a7850b56.enc
34696bfce7b27548cfc2410e2b55762e  special_tokens_map.json.96bdbb8504d9967606e5f661ccc7cbbac44a3661af863a7a58614670a0ccab33.enc

"""##),
    ("BELLE-LLaMA-EXT-13B.enc.sha256", ##"""
5fd0842b635c8370f616c0fe6bff1b10bd8d298a6228ade807d85876a28cd2c1  pytorch_model-00001-of-00003.bin.1a523c0d01807d7fcde8d73537f09e346ff303a4769b8a6659114358621fc838.enc
161c8ecd37115a9dd87578a9c68b88495391135629bcc920c2fa1a3285b77df4  pytorch_model-00003-of-00003.bin.79921900f30a9ec501177fca2f593f90cb9f5ab235c05863cc4d384450cf3f6f.enc
57f59ef129c336b2a4b44d763071b7063a9167c64b0f1e90e6d6cbd77d062bb5  pytorch_model.bin.index.json.af10ab40cc0368fba37018148447e3dcd9b72829a38e26c9eaf3eda3a7850b56.enc

"""##),
    ("BELLE-LLaMA-EXT-13B.sha256", ##"""
7b4504868ddce248768954077a76ffe29a34c6cc2b4510426b4da77d1e9afb4c  config.json
fd7ff399e5568cc21a0a8414f43df88ef7c424995b9b97a90563165d2cf79efd  generation_config.json
1a523c0d01807d7fcde8d73537f09e346ff303a4769b8a6659114358621fc838  pytorch_model-00001-of-00003.bin
98e48fb6812bb87843c7276a85ed34124f67df5654d8cf0b6bb9302ecfe3a37f  pytorch_model-00002-of-00003.bin
79921900f30a9ec501177fca2f593f90cb9f5ab235c05863cc4d384450cf3f6f  pytorch_model-00003-of-00003.bin
af10ab40cc0368fba37018148447e3dcd9b72829a38e26c9eaf3eda3a7850b56  pytorch_model.bin.index.json
96bdbb8504d9967606e5f661ccc7cbbac44a3661af863a7a58614670a0ccab33  special_tokens_map.json
2e333c3e1c77e7e9c6ceb573b02355deaf303ca8180bbac40f1d0405209ee457  tokenizer_config.json

"""##),
    ("BELLE-LLaMA-EXT-7B.enc.md5", ##"""
228a21b7bf927f7ffd44c16c88256684  config.json.fb090219f6fed69687ab8f9c902f7802cff8060b08007ca0e5af177a8f9613d5.enc
f9b33d359f17a437f6c24b4de6f2272e  generation_config.json.fd7ff399e5568cc21a0a8414f43df88ef7c424995b9b97a90563165d2cf79efd.enc
1c12c5bb95b1d191779ef160624a622a  pytorch_model-00001-of-00002.bin.3b0666c50d7fd55d5116e788ec51aa96a34ba6816e86ffbee1dbe983bf511b4b.enc
1a67804dbdfd2168ef30ec077b73e90d  pytorch_model-00002-of-00002.bin.763b336a89ef37327716d9c097835720662da656bdc27afde27daec9d0873284.enc
0d6db7f247a51589f3dd6d08dbfe64ce  pytorch_model.bin.index.json.4f08b269e18619675bc3fd62f6efb3a8d59f9d54fa50f5625d0bba7adabaf90e.enc
34696bfce7b27548cfc2410e2b55762e  special_tokens_map.json.96bdbb8504d9967606e5f661ccc7cbbac44a3661af863a7a58614670a0ccab33.enc
6014cf2235521f974c8d9fb69b6cf07e  tokenizer_config.json.7078cc180b3d35e7ccd06b49ede4a7fef85f2572bda40c1fe2fc8f9ab25418d3.enc
56724a79091f3d1877cca65c6412d646  tokenizer.model.0b716a618c9e7c45648f91d997431eba3b0ff111b17ce7b777280ed771a49f95.enc

"""##),
    ("BELLE-LLaMA-EXT-7B.enc.sha256", ##"""
86b5e9aadba8e14d8605ff3326af5ea5680bd6b80cf482b286bb1922d021de9c  pytorch_model-00001-of-00002.bin.3b0666c50d7fd55d5116e788ec51aa96a34ba6816e86ffbee1dbe983bf511b4b.enc
9cd4bc597a7939c742b1f9f7d400da33dd10d51b9f71daaa2a422bc663cbc0dc  pytorch_model-00002-of-00002.bin.763b336a89ef37327716d9c097835720662da656bdc27afde27daec9d0873284.enc

"""##),
    ("BELLE-LLaMA-EXT-7B.md5", ##"""
df363050c4ded5c3136270cef715a7d1  config.json
2917a1cafb895cf57e746cfd7696bfe5  generation_config.json
a88865ce42f45c0c88cd4f7f8ecd75ea  pytorch_model-00001-of-00002.bin
ce23ee57ecc73a78b0117e38a68f8d84  pytorch_model-00002-of-00002.bin
e5385004e4876ea6b93d6126e845a82f  pytorch_model.bin.index.json
15f7a943faa91a794f38dd81a212cb01  special_tokens_map.json
08f6f621dba90b2a23c6f9f7af974621  tokenizer_config.json
6ffe559392973a92ea28032add2a8494  tokenizer.model

"""##),
    ("BELLE-LLaMA-EXT-7B.sha256", ##"""
fb090219f6fed69687ab8f9c902f7802cff8060b08007ca0e5af177a8f9613d5  config.json
fd7ff399e5568cc21a0a8414f43df88ef7c424995b9b97a90563165d2cf79efd  generation_config.json
3b0666c50d7fd55d5116e788ec51aa96a34ba6816e86ffbee1dbe983bf511b4b  pytorch_model-00001-of-00002.bin
763b336a89ef37327716d9c097835720662da656bdc27afde27daec9d0873284  pytorch_model-00002-of-00002.bin
4f08b269e18619675bc3fd62f6efb3a8d59f9d54fa50f5625d0bba7adabaf90e  pytorch_model.bin.index.json
96bdbb8504d9967606e5f661ccc7cbbac44a3661af863a7a58614670a0ccab33  special_tokens_map.json
0b716a618c9e7c45648f91d997431eba3b0ff111b17ce7b777280ed771a49f95  tokenizer.model
7078cc180b3d35e7ccd06b49ede4a7fef85f2572bda40c1fe2fc8f9ab25418d3  tokenizer_config.json

"""##),
    ("BELLE-on-Open-Datasets.enc.sha256", ##"""
0d9345df946a2af165370ca80bfdf47ccbf7007b2968c9f27565b8d857b5648e  pytorch_model-00001-of-00002.bin.b552ebc4dd499812cfe1e45ffcaad0ee93851ef83df95eb4f824be53b25e5531.enc
57b6f8613c864b4e70c301660c6b45fdf975462175b4f158e0cb56679d12d1bf  pytorch_model-00002-of-00002.bin.45adb5c7b91f81b2c03c913f2e52487a0e22663e088063b699c6a903101b7968.enc
9904ea490396982b6b4af3ce78e1955c2679e4b7ca288423b78a3fc68a46c606  tokenizer.model.0b716a618c9e7c45648f91d997431eba3b0ff111b17ce7b777280ed771a49f95.enc

"""##),
    ("BELLE-on-Open-Datasets.sha256", ##"""
6375ff434583e14cfc1fd45f9f599ddb9c689cb9b8c542d427dc6d5dc1059037  config.json
fd7ff399e5568cc21a0a8414f43df88ef7c424995b9b97a90563165d2cf79efd  generation_config.json
b552ebc4dd499812cfe1e45ffcaad0ee93851ef83df95eb4f824be53b25e5531  pytorch_model-00001-of-00002.bin
45adb5c7b91f81b2c03c913f2e52487a0e22663e088063b699c6a903101b7968  pytorch_model-00002-of-00002.bin
4f08b269e18619675bc3fd62f6efb3a8d59f9d54fa50f5625d0bba7adabaf90e  pytorch_model.bin.index.json
96bdbb8504d9967606e5f661ccc7cbbac44a3661af863a7a58614670a0ccab33  special_tokens_map.json
0b716a618c9e7c45648f91d997431eba3b0ff111b17ce7b777280ed771a49f95  tokenizer.model
7078cc180b3d35e7ccd06b49ede4a7fef85f2572bda40c1fe2fc8f9ab25418d3  tokenizer_config.json

"""##),
    ("LLaMA-originals.md5", ##"""
6efc8dab194ab59e49cd24be5574d85e  7B/consolidated.00.pth
7596560e011154b90eb51a1b15739763  7B/params.json
0804c42ca65584f50234a86d71e6916a  13B/consolidated.00.pth
016017be6040da87604f77703b92f2bc  13B/consolidated.01.pth
0171286599e0f8858893e49fb74b71f8  13B/params.json
f856e9d99c30855d6ead4d00cc3a5573  30B/consolidated.00.pth
d9dbfbea61309dc1e087f5081e98331a  30B/consolidated.01.pth
2b2bed47912ceb828c0a37aac4b99073  30B/consolidated.02.pth
ea0405cdb5bc638fee12de614f729ebc  30B/consolidated.03.pth
4babdbd05b8923226a9e9622492054b6  30B/params.json
9deae67e2e7b5ccfb2c738f390c00854  65B/consolidated.00.pth
0c4b00c30460c3818bd184ee949079ee  65B/consolidated.01.pth
847194df776dd38f8ae9ddcede8829a1  65B/consolidated.02.pth
3b6c8adcb5654fd36abab3206b46a0f1  65B/consolidated.03.pth
68d61d1242597ad92616ec31b8cb6b4c  65B/consolidated.04.pth
7f71259eaee2b906aa405d8edf39925f  65B/consolidated.05.pth
0574e26b6891ab2cb0df7340d773fe9b  65B/consolidated.06.pth
e5d9790df955270b836aec79462ead22  65B/consolidated.07.pth
eeec4125e9c7560836b4873b6f8e3025  tokenizer.model

"""##),
    ("LLaMA-originals.sha256", ##"""
700df0d3013b703a806d2ae7f1bfb8e59814e3d06ae78be0c66368a50059f33d  7B/consolidated.00.pth
7e89e242ddc0dd6f060b43ca219ce8b3e8f08959a72cb3c0855df8bb04d46265  7B/params.json
7935c843a25ae265d60bf4543b90bfd91c4911b728412b5c1d5cff42a3cd5645  7B/checklist.chk
745bf4e29a4dd6f411e72976d92b452da1b49168a4f41c951cfcc8051823cf08  13B/consolidated.00.pth
d5ccbcc465c71c0de439a5aeffebe8344c68a519bce70bc7f9f92654ee567085  13B/consolidated.01.pth
4ab77bec4d4405ccb66a97b282574c89a94417e3c32e5f68f37e2876fc21322f  13B/params.json
e23294a58552d8cdec5b7e8abb87993b97ea6eced4178ff2697c02472539d067  30B/consolidated.00.pth
4e077b7136c7ae2302e954860cf64930458d3076fcde9443f4d0e939e95903ff  30B/consolidated.01.pth
24a87f01028cbd3a12de551dcedb712346c0b5cbdeff1454e0ddf2df9b675378  30B/consolidated.02.pth
1adfcef71420886119544949767f6a56cb6339b4d5fcde755d80fe68b49de93b  30B/consolidated.03.pth
2c07118ea98d69dbe7810d88520e30288fa994751b337f8fca02b171955f44cb  30B/params.json
135c563f6b3938114458183afb01adc9a63bef3d8ff7cccc3977e5d3664ecafe  65B/consolidated.00.pth
9a600b37b19d38c7e43809485f70d17d1dc12206c07efa83bc72bb498a568bde  65B/consolidated.01.pth
e7babf7c5606f165a3756f527cb0fedc4f83e67ef1290391e52fb1cce5f26770  65B/consolidated.02.pth
73176ffb426b40482f2aa67ae1217ef79fbbd1fff5482bae5060cdc5a24ab70e  65B/consolidated.03.pth
882e6431d0b08a8bc66261a0d3607da21cbaeafa96a24e7e59777632dbdac225  65B/consolidated.04.pth
a287c0dfe49081626567c7fe87f74cce5831f58e459b427b5e05567641f47b78  65B/consolidated.05.pth
72b4eba67a1a3b18cb67a85b70f8f1640caae9b40033ea943fb166bd80a7b36b  65B/consolidated.06.pth
d27f5b0677d7ff129ceacd73fd461c4d06910ad7787cf217b249948c3f3bc638  65B/consolidated.07.pth
999ed1659b469ccc2a941714c0a9656fa571d17c9f7c8c7589817ca90edef51b  65B/params.json
9e556afd44213b6bd1be2b850ebbbd98f5481437a8021afaf58ee7fb1818d347  tokenizer.model

"""##),
    ("Llama-2-originals.md5", ##"""
daa8e3109935070df7fe8fc42d34525e  llama-2-7b/consolidated.00.pth
9a3757de7196d1840b551a85b82efbc8  llama-2-7b/params.json
a58bacfcc0cb49b220d068a451aaf3c2  llama-2-7b/checklist.chk
0c4837f3ef97f648452f91faed308a07  llama-2-7b-chat/consolidated.00.pth
1c39bc3c6b51079fd807cc105b86c9df  llama-2-7b-chat/params.json
595b92997ec4c41276913ffc3a75ebc3  llama-2-7b-chat/checklist.chk
76087fcc6c5269ddea74c4f0f6144e4b  llama-2-13b/consolidated.00.pth
3f893d85e21541021aea58a3c4162e4b  llama-2-13b/consolidated.01.pth
b54ad5614e2a66c1e6eb3d4d25aa8d94  llama-2-13b/params.json
a9adc7c6c764e801521361246bbbefbc  llama-2-13b/checklist.chk
eeec4125e9c7560836b4873b6f8e3025  tokenizer.model

"""##),
    ("TechGPT-7B.enc.md5", ##"""
6b2b545ff7bacaeec6297198b4b745dd  config.json.e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855.enc
4ba9cc7f11df0422798971bc962fe076  generation_config.json.e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855.enc
560b35ffd8a7a1f5b2d34a94a523659a  pytorch_model.bin.e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855.enc
85ae4132b11747b1609b8953c7086367  special_tokens_map.json.e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855.enc
953dceae026a7aa88e062787c61ed9b0  tokenizer_config.json.e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855.enc
e765a7740a908b5e166e95b6ee09b94b  tokenizer.model.e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855.enc

"""##),
    ("TechGPT-7B.md5", ##"""
6d5f0d60a6e36ebc1518624a46f5a717  config.json
2917a1cafb895cf57e746cfd7696bfe5  generation_config.json
0d322cb6bde34f7086791ce12fbf2bdc  pytorch_model.bin
15f7a943faa91a794f38dd81a212cb01  special_tokens_map.json
08f6f621dba90b2a23c6f9f7af974621  tokenizer_config.json
6ffe559392973a92ea28032add2a8494  tokenizer.model

"""##),
    ("derived/BELLE-LLaMA-13B-2M-enc.enc.md5", ##"""
1ab707fa9b0c4be294fd0b867d73e919  special_tokens_map.json.44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a.enc

"""##),
    ("derived/BELLE-LLaMA-13B-2M-enc.md5", ##"""
0fa6ff8379308d40f090878593f085a9  config.json
2917a1cafb895cf57e746cfd7696bfe5  generation_config.json
99914b932bd37a50b983c5e7c90ae93b  special_tokens_map.json
eeec4125e9c7560836b4873b6f8e3025  tokenizer.model
5526ad31f4928acb5219e295e5ff81ce  tokenizer_config.json

"""##),
    ("derived/BELLE-LLaMA-7B-0.6M-enc.enc.md5", ##"""
340aa9ee27fa7931ccbabcc30f2f8a27  config.json.db303d8f096e427bd21ff97bb169c84fb3ae11336a644e3da3506419d44f6429.enc
f9b33d359f17a437f6c24b4de6f2272e  generation_config.json.fd7ff399e5568cc21a0a8414f43df88ef7c424995b9b97a90563165d2cf79efd.enc
1ab707fa9b0c4be294fd0b867d73e919  special_tokens_map.json.44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a.enc

"""##),
    ("derived/BELLE-LLaMA-7B-0.6M-enc.md5", ##"""
2917a1cafb895cf57e746cfd7696bfe5  generation_config.json
99914b932bd37a50b983c5e7c90ae93b  special_tokens_map.json
eeec4125e9c7560836b4873b6f8e3025  tokenizer.model
5526ad31f4928acb5219e295e5ff81ce  tokenizer_config.json

"""##),
    ("derived/BELLE-LLaMA-7B-2M-enc.enc.md5", ##"""
f9b33d359f17a437f6c24b4de6f2272e  generation_config.json.fd7ff399e5568cc21a0a8414f43df88ef7c424995b9b97a90563165d2cf79efd.enc

"""##),
    ("derived/BELLE-LLaMA-7B-2M-enc.md5", ##"""
2917a1cafb895cf57e746cfd7696bfe5  generation_config.json
8a80554c91d9fca8acb82f023de02f11  special_tokens_map.json
eeec4125e9c7560836b4873b6f8e3025  tokenizer.model

"""##),
    ("derived/BELLE-LLaMA-7B-2M-gptq-enc.enc.md5", ##"""
1ab707fa9b0c4be294fd0b867d73e919  special_tokens_map.json.44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a.enc
39ec1b33fbf9a0934a8ae0f9a24c7163  tokenizer.model.9e556afd44213b6bd1be2b850ebbbd98f5481437a8021afaf58ee7fb1818d347.enc
ff291fcfa4e0048ca4ff262312faad83  tokenizer_config.json.ef7ef410b9b909949e96f172b17cbf7c68b11761c632715fa05a6088c0c2b9ac.enc

"""##),
    ("derived/BELLE-LLaMA-7B-2M-gptq-enc.md5", ##"""
32490e7229fb82c643e3a7b8d04a6c4b  config.json
2917a1cafb895cf57e746cfd7696bfe5  generation_config.json
99914b932bd37a50b983c5e7c90ae93b  special_tokens_map.json
eeec4125e9c7560836b4873b6f8e3025  tokenizer.model
5526ad31f4928acb5219e295e5ff81ce  tokenizer_config.json

"""##),
    ("derived/BELLE-LLaMA-EXT-13B.md5", ##"""
2917a1cafb895cf57e746cfd7696bfe5  generation_config.json
15f7a943faa91a794f38dd81a212cb01  special_tokens_map.json

"""##),
    ("derived/BELLE-on-Open-Datasets.md5", ##"""
2917a1cafb895cf57e746cfd7696bfe5  generation_config.json
e5385004e4876ea6b93d6126e845a82f  pytorch_model.bin.index.json
15f7a943faa91a794f38dd81a212cb01  special_tokens_map.json
6ffe559392973a92ea28032add2a8494  tokenizer.model
08f6f621dba90b2a23c6f9f7af974621  tokenizer_config.json

"""##),
    ("derived/LLaMA-originals.md5", ##"""
0306cf93a1c2c3891166fe1fd782c2b7  65B/params.json

"""##),
    ("header-vectors.json", ##"""
{
 "comment": "First bytes of the XOR key files, rebuilt from the torch zip header + pickle opcodes (no weight data). Each prefix is proven by md5 digests published on the web: see \"vectors\". Use as weights-free golden tests and as a wrong-key detector.",
 "keys": {
  "LLaMA-1 7B/consolidated.00.pth": {
   "proven_bytes": 473,
   "hex": "504b03040000080800000000000000000000000000000000000015000d00636f6e736f6c6964617465642f646174612e706b6c464209005a5a5a5a5a5a5a5a5a80027d7100285815000000746f6b5f656d62656464696e67732e776569676874710163746f7263682e5f7574696c730a5f72656275696c645f74656e736f725f76320a71022828580700000073746f72616765710363746f7263680a48616c6653746f726167650a71045801000000307105580300000063707571064a0000d007747107514b004d007d4d00108671084d00104b018671098963636f6c6c656374696f6e730a4f726465726564446963740a710a2952710b74710c52710d580b0000006e6f726d2e776569676874710e6802282868036804580100000031710f68064d0010747110514b004d00108571114b0185711289680a29527113747114527115580d0000006f75747075742e77656967687471166802282868036804580100000032711768064a0000d007747118514b004d007d4d00108671194d00104b0186711a89680a2952711b74711c52711d581c0000006c61796572732e302e617474656e74696f6e2e77712e776569676874711e6802282868036804580100000033711f68064a00000001747120514b004d00104d001086"
  },
  "LLaMA-1 13B/consolidated.00.pth": {
   "proven_bytes": 141,
   "hex": "504b03040000080800000000000000000000000000000000000018000a00636f6e736f6c6964617465642e30302f646174612e706b6c464206005a5a5a5a5a5a80027d7100285815000000746f6b5f656d62656464696e67732e776569676874710163746f7263682e5f7574696c730a5f72656275696c645f74656e736f725f76320a71022828580700000073"
  },
  "Llama-2 7B/consolidated.00.pth (wrong key)": {
   "proven_bytes": 473,
   "hex": "504b03040000080800000000000000000000000000000000000015000d00636f6e736f6c6964617465642f646174612e706b6c464209005a5a5a5a5a5a5a5a5a80027d7100285815000000746f6b5f656d62656464696e67732e776569676874710163746f7263682e5f7574696c730a5f72656275696c645f74656e736f725f76320a71022828580700000073746f72616765710363746f7263680a42466c6f6174313653746f726167650a71045801000000307105580300000063707571064a0000d007747107514b004d007d4d00108671084d00104b018671098963636f6c6c656374696f6e730a4f726465726564446963740a710a2952710b74710c52710d580b0000006e6f726d2e776569676874710e6802282868036804580100000031710f68064d0010747110514b004d00108571114b0185711289680a29527113747114527115580d0000006f75747075742e77656967687471166802282868036804580100000032711768064a0000d007747118514b004d007d4d00108671194d00104b0186711a89680a2952711b74711c52711d581c0000006c61796572732e302e617474656e74696f6e2e77712e776569676874711e6802282868036804580100000033711f68064a00000001747120514b004d0010"
  }
 },
 "vectors": [
  {
   "release": "BELLE-LLaMA-EXT-7B",
   "file": "generation_config.json",
   "key": "LLaMA-1 7B/consolidated.00.pth",
   "header_32_bytes": true,
   "plaintext": "{\n  \"_from_model_config\": true,\n  \"bos_token_id\": 1,\n  \"eos_token_id\": 2,\n  \"pad_token_id\": 0,\n  \"transformers_version\": \"4.28.0.dev0\"\n}\n",
   "plaintext_sha256": "fd7ff399e5568cc21a0a8414f43df88ef7c424995b9b97a90563165d2cf79efd",
   "plaintext_md5": "2917a1cafb895cf57e746cfd7696bfe5",
   "enc_size": 169,
   "enc_md5_published": "f9b33d359f17a437f6c24b4de6f2272e",
   "enc_hex": "fd7ff399e5568cc21a0a8414f43df88ef7c424995b9b97a90563165d2cf79efd2b412324225f6e7a6f6d5f6d6f64656c5f636f6e666967223a20617278654f654e534d0e06173e000a0f4a0a3e1d050c4a4b5d6a482920783f3529052e35313fee5d1415221278272c0a20544d1b3e0132160a0f0107310e170c4d45594b6254512317060e1c100e412d18111b1f2c7c3a00160b1a074e5e7f56514041575c6f58566f07320a22250d",
   "source": "https://huggingface.co/BelleGroup/BELLE-LLaMA-EXT-7B"
  },
  {
   "release": "BELLE-LLaMA-EXT-7B",
   "file": "special_tokens_map.json",
   "key": "LLaMA-1 7B/consolidated.00.pth",
   "header_32_bytes": true,
   "plaintext": "{\n  \"bos_token\": \"<s>\",\n  \"eos_token\": \"</s>\",\n  \"unk_token\": \"<unk>\"\n}\n",
   "plaintext_sha256": "96bdbb8504d9967606e5f661ccc7cbbac44a3661af863a7a58614670a0ccab33",
   "plaintext_md5": "15f7a943faa91a794f38dd81a212cb01",
   "enc_size": 104,
   "enc_md5_published": "34696bfce7b27548cfc2410e2b55762e",
   "enc_hex": "96bdbb8504d9967606e5f661ccc7cbbac44a3661af863a7a58614670a0ccab332b4123242262677b5f746f6b656e223a20223c733e222c0a2020376562733c1b01180a024b5e4156594b5c5a43586b0e5049192829567435313f3478607a7866f56c164f2222251f",
   "source": "https://huggingface.co/BelleGroup/BELLE-LLaMA-EXT-7B"
  },
  {
   "release": "BELLE-LLaMA-7B-2M-enc",
   "file": "special_tokens_map.json",
   "key": "LLaMA-1 7B/consolidated.00.pth",
   "header_32_bytes": true,
   "plaintext": "{}\n",
   "plaintext_sha256": "ca3d163bab055381827226140568f3bef7eaac187cebd76878e0b63e9e442356",
   "plaintext_md5": "8a80554c91d9fca8acb82f023de02f11",
   "enc_size": 35,
   "enc_md5_published": "c066b68b4139328e87a694020fc3a6c3",
   "enc_hex": "ca3d163bab055381827226140568f3bef7eaac187cebd76878e0b63e9e4423562b3609",
   "source": "https://huggingface.co/BelleGroup/BELLE-LLaMA-7B-2M-enc/commit/732daf401b97e5a5bf44a37a3ea04ece634bd584"
  },
  {
   "release": "BELLE-LLaMA-7B-0.6M-enc",
   "file": "tokenizer_config.json",
   "key": "LLaMA-1 7B/consolidated.00.pth",
   "header_32_bytes": true,
   "plaintext": "{\"bos_token\": \"\", \"eos_token\": \"\", \"model_max_length\": 1000000000000000019884624838656, \"tokenizer_class\": \"LlamaTokenizer\", \"unk_token\": \"\"}",
   "plaintext_sha256": "ef7ef410b9b909949e96f172b17cbf7c68b11761c632715fa05a6088c0c2b9ac",
   "plaintext_md5": "5526ad31f4928acb5219e295e5ff81ce",
   "enc_size": 173,
   "enc_md5_published": "ff291fcfa4e0048ca4ff262312faad83",
   "enc_hex": "ef7ef410b9b909949e96f172b17cbf7c68b11761c632715fa05a6088c0c2b9ac2b69616b735f7c676b656e223a2022222c2022656f735f746f6b706e2f3a434d4c5f4f4e040b0511093b4205192b0d4b1e0c182e6033206b6a6a6a6a6a6a6a6ab0324d41301868253139384c5b5d6d5155515d52515f4247515a180e0c09010e14733c170313101b0c655556250012673e260a091007051e3a064742534d07311d6d7e1e694d467a3d2022220e",
   "source": "https://huggingface.co/BelleGroup/BELLE-LLaMA-7B-0.6M-enc/commit/94d319d58438dba2f6e0035fd8aad2b262ab42fb"
  },
  {
   "release": "BELLE-LLaMA-7B-2M-gptq-enc",
   "file": "config.json",
   "key": "LLaMA-1 7B/consolidated.00.pth",
   "header_32_bytes": true,
   "plaintext": "{\n  \"architectures\": [\n    \"LlamaForCausalLM\"\n  ],\n  \"bos_token_id\": 1,\n  \"eos_token_id\": 2,\n  \"hidden_act\": \"silu\",\n  \"hidden_size\": 4096,\n  \"initializer_range\": 0.02,\n  \"intermediate_size\": 11008,\n  \"model_type\": \"llama\",\n  \"num_attention_heads\": 32,\n  \"num_hidden_layers\": 32,\n  \"pad_token_id\": 0,\n  \"rms_norm_eps\": 1e-06,\n  \"tie_word_embeddings\": false,\n  \"torch_dtype\": \"float16\",\n  \"transformers_version\": \"4.28.0.dev0\",\n  \"use_cache\": true,\n  \"vocab_size\": 32000\n}\n",
   "plaintext_sha256": "db303d8f096e427bd21ff97bb169c84fb3ae11336a644e3da3506419d44f6429",
   "plaintext_md5": "32490e7229fb82c643e3a7b8d04a6c4b",
   "enc_size": 504,
   "enc_md5_published": "340aa9ee27fa7931ccbabcc30f2f8a27",
   "enc_hex": null,
   "source": "https://huggingface.co/BelleGroup/BELLE-LLaMA-7B-2M-gptq-enc"
  },
  {
   "release": "BELLE-LLaMA-13B-2M-enc",
   "file": "generation_config.json",
   "key": "LLaMA-1 13B/consolidated.00.pth",
   "header_32_bytes": true,
   "plaintext": "{\n  \"_from_model_config\": true,\n  \"bos_token_id\": 1,\n  \"eos_token_id\": 2,\n  \"pad_token_id\": 0,\n  \"transformers_version\": \"4.28.0.dev0\"\n}\n",
   "plaintext_sha256": "fd7ff399e5568cc21a0a8414f43df88ef7c424995b9b97a90563165d2cf79efd",
   "plaintext_md5": "2917a1cafb895cf57e746cfd7696bfe5",
   "enc_size": 169,
   "enc_md5_published": "b1cc6321ba72757b82842cc44ffadbf3",
   "enc_hex": "fd7ff399e5568cc21a0a8414f43df88ef7c424995b9b97a90563165d2cf79efd2b412324225f6e7a6f6d5f6d6f64656c5f636f6e666967223a206c727f654f654e534d0e06173e000a0f4b5e6f4600434e411f5c614c6660636f29052e35313fee5d1415221278272c0a20544d1b3e0132160a0f0107310e170c4d45594b6254512317060e1c100e412d18111b1f2c7c3a00160b1a074e5e7f56514041575c6f58566f07320a22250d",
   "source": "https://huggingface.co/BelleGroup/BELLE-LLaMA-13B-2M-enc"
  },
  {
   "release": "BELLE-LLaMA-13B-2M-enc",
   "file": "tokenizer_config.json",
   "key": "LLaMA-1 13B/consolidated.00.pth",
   "header_32_bytes": true,
   "plaintext": "{\"bos_token\": \"\", \"eos_token\": \"\", \"model_max_length\": 1000000000000000019884624838656, \"tokenizer_class\": \"LlamaTokenizer\", \"unk_token\": \"\"}",
   "plaintext_sha256": "ef7ef410b9b909949e96f172b17cbf7c68b11761c632715fa05a6088c0c2b9ac",
   "plaintext_md5": "5526ad31f4928acb5219e295e5ff81ce",
   "enc_size": 173,
   "enc_md5_published": "cae7b4ee8d1ad4e4402632bb0600cc17",
   "enc_hex": "ef7ef410b9b909949e96f172b17cbf7c68b11761c632715fa05a6088c0c2b9ac2b69616b735f7c676b656e223a2022222c2022656f735f746f6b7d6e283a434d4c5f4f4e040b0511093b4351487008041a065a184956667336306a6a6a6a6a6ab0324d41301868253139384c5b5d6d5155515d52515f4247515a180e0c09010e14733c170313101b0c655556250012673e260a091007051e3a064742534d07311d6d7e1e694d467a3d2022220e",
   "source": "https://huggingface.co/BelleGroup/BELLE-LLaMA-13B-2M-enc/commit/3bc9bdc43efa92959ea26908125555e850d1258e"
  },
  {
   "release": "TechGPT-7B",
   "file": "generation_config.json",
   "key": "LLaMA-1 7B/consolidated.00.pth",
   "header_32_bytes": false,
   "plaintext": "{\n  \"_from_model_config\": true,\n  \"bos_token_id\": 1,\n  \"eos_token_id\": 2,\n  \"pad_token_id\": 0,\n  \"transformers_version\": \"4.28.0.dev0\"\n}\n",
   "plaintext_sha256": "fd7ff399e5568cc21a0a8414f43df88ef7c424995b9b97a90563165d2cf79efd",
   "plaintext_md5": "2917a1cafb895cf57e746cfd7696bfe5",
   "enc_size": 137,
   "enc_md5_published": "4ba9cc7f11df0422798971bc962fe076",
   "enc_hex": "2b412324225f6e7a6f6d5f6d6f64656c5f636f6e666967223a20617278654f654e534d0e06173e000a0f4a0a3e1d050c4a4b5d6a482920783f3529052e35313fee5d1415221278272c0a20544d1b3e0132160a0f0107310e170c4d45594b6254512317060e1c100e412d18111b1f2c7c3a00160b1a074e5e7f56514041575c6f58566f07320a22250d",
   "source": "https://github.com/neukg/TechGPT"
  },
  {
   "release": "TechGPT-7B",
   "file": "special_tokens_map.json",
   "key": "LLaMA-1 7B/consolidated.00.pth",
   "header_32_bytes": false,
   "plaintext": "{\n  \"bos_token\": \"<s>\",\n  \"eos_token\": \"</s>\",\n  \"unk_token\": \"<unk>\"\n}\n",
   "plaintext_sha256": "96bdbb8504d9967606e5f661ccc7cbbac44a3661af863a7a58614670a0ccab33",
   "plaintext_md5": "15f7a943faa91a794f38dd81a212cb01",
   "enc_size": 72,
   "enc_md5_published": "85ae4132b11747b1609b8953c7086367",
   "enc_hex": "2b4123242262677b5f746f6b656e223a20223c733e222c0a2020376562733c1b01180a024b5e4156594b5c5a43586b0e5049192829567435313f3478607a7866f56c164f2222251f",
   "source": "https://github.com/neukg/TechGPT"
  },
  {
   "release": "TechGPT-7B",
   "file": "config.json",
   "key": "LLaMA-1 7B/consolidated.00.pth",
   "header_32_bytes": false,
   "plaintext": "{\n  \"architectures\": [\n    \"LlamaForCausalLM\"\n  ],\n  \"bos_token_id\": 1,\n  \"eos_token_id\": 2,\n  \"hidden_act\": \"silu\",\n  \"hidden_size\": 4096,\n  \"initializer_range\": 0.02,\n  \"intermediate_size\": 11008,\n  \"model_type\": \"llama\",\n  \"num_attention_heads\": 32,\n  \"num_hidden_layers\": 32,\n  \"pad_token_id\": 0,\n  \"rms_norm_eps\": 1e-06,\n  \"tie_word_embeddings\": false,\n  \"torch_dtype\": \"bfloat16\",\n  \"transformers_version\": \"4.28.0.dev0\",\n  \"use_cache\": true,\n  \"vocab_size\": 79458\n}\n",
   "plaintext_sha256": "2ef6bb0ceab48a2b452cfcc49eacb46a895cb9666c4e79684aa59a04d0a5a319",
   "plaintext_md5": "6d5f0d60a6e36ebc1518624a46f5a717",
   "enc_size": 473,
   "enc_md5_published": "6b2b545ff7bacaeec6297198b4b745dd",
   "enc_hex": null,
   "source": "https://github.com/neukg/TechGPT"
  }
 ],
 "wrong_key_example": {
  "release": "TechGPT-7B",
  "file": "config.json",
  "key_used": "Llama-2 7B/consolidated.00.pth (wrong key)",
  "result_md5": "18f5488d818fc769ebe2b0e4f03d3aba",
  "source": "https://github.com/neukg/TechGPT/issues/17"
 }
}

"""##),
    ("lawyer-llama-13b-beta1.0.sha256", ##"""
5e72fa85bd87b107cf04964beb7dc8a2ee310994a7524908ada150b16224908a  pytorch_model-00001-of-00003.bin
58352e4e890197aa518502ba6ea6f4fad0918d01fa64b630562bf163d46754a3  pytorch_model-00002-of-00003.bin
064ecc317fe7b8f370310f878e952f05553922f3d74d1816023cf2ec4d2f480c  pytorch_model-00003-of-00003.bin

"""##),
    ("point-alpaca-7B.enc.md5", ##"""
4b8622230b59b3f3bcad791c8c1bae51  added_tokens.json.75e3ca5df2973756aa612cb17246ef6020a68ff8d94671508987d373642f7a36.enc
876376085d79041818bb7a41bced7819  config.json.caf9cac32580e31af8254f66c5a070741d70b15a651721748189180325b7d5a8.enc
44b1feec4c0d1b7c87da24b81c8b8b9e  generation_config.json.c5c8961ed243834883fb4e45e8850d3873d6100fde97817f59d275a90eba269d.enc
d127aabb6ad5375bfa97c6ac529c166d  pytorch_model-00001-of-00003.bin.90d2ab95a32aeb9362814d8b86db2af5454baab8ea3aa8230c271d6962abb9db.enc
e4b12501e99cf6a30a244af20f5c20ec  pytorch_model-00002-of-00003.bin.f3c10a4f5c8beafc6667d34557b64ba479e4dde6ef10672287857b329b7e3229.enc
d212294c06feeb0f14672b68417dbc9e  pytorch_model-00003-of-00003.bin.72bf4c96aa6b0c7b56b0336791960da9c75de324ea1131ea4bfc20fde41115c8.enc
e813854dede95a03e5f5b459c7fb32b2  pytorch_model.bin.index.json.07ca8edea996b6c3274395fdb2b6c9108f2ffdd610ae55e35c126c21a9d535b1.enc
62503bbf4e91f2b50bf9834757d555d3  special_tokens_map.json.4ad09c72922c015ba04f09eabebe38fb34ecb721ca712922c62038eaf2d0bc61.enc
39ec1b33fbf9a0934a8ae0f9a24c7163  tokenizer.model.9e556afd44213b6bd1be2b850ebbbd98f5481437a8021afaf58ee7fb1818d347.enc
2c34a03919b6b2b299ad6f77713d0ba0  tokenizer_config.json.a5f5efb2240276709a923b1404e08d93cc896fd1bd31fbe173e1e2789ea210ef.enc
560ecf526666cbd485b81f0f16bb9972  trainer_state.json.43964ae247e74f4055fe1cf99a7a16efc3114402a1cd918b3cd9e2ebf2858ca9.enc
fe8b25ba7c8dd66d57ce1d3d60f13abd  training_args.bin.02f8c3ba14e3c48c05f76880975d7385c878b0e5a0863e352c82f331150d2bd4.enc

"""##),
    ("point-alpaca-7B.md5", ##"""
880c59f7618832454595e9820960c360  added_tokens.json
d39ed682be60de38e12c5d1974c45620  config.json
5300908d1f82b0bc7a4bc79ea00dad66  generation_config.json
5d17f8837f9f15538acd65b7d37add2c  pytorch_model-00001-of-00003.bin
834b0748527482d60236bc1ec0c71750  pytorch_model-00002-of-00003.bin
03dda8d1057b06632fecf399020353b4  pytorch_model-00003-of-00003.bin
82559775d42e04199b5a8be8df974b36  pytorch_model.bin.index.json
40df8792c753f0d3f5786829efdd2954  special_tokens_map.json
eeec4125e9c7560836b4873b6f8e3025  tokenizer.model
f2da7d9c67a3b7d2e60a17c540055b85  tokenizer_config.json
883795093c1f18baa9b111880b800bf1  trainer_state.json
f07e553d22ebe37908bc996953f1bb11  training_args.bin

"""##),
    ("point-alpaca-7B.sha256", ##"""
75e3ca5df2973756aa612cb17246ef6020a68ff8d94671508987d373642f7a36  added_tokens.json
caf9cac32580e31af8254f66c5a070741d70b15a651721748189180325b7d5a8  config.json
c5c8961ed243834883fb4e45e8850d3873d6100fde97817f59d275a90eba269d  generation_config.json
90d2ab95a32aeb9362814d8b86db2af5454baab8ea3aa8230c271d6962abb9db  pytorch_model-00001-of-00003.bin
f3c10a4f5c8beafc6667d34557b64ba479e4dde6ef10672287857b329b7e3229  pytorch_model-00002-of-00003.bin
72bf4c96aa6b0c7b56b0336791960da9c75de324ea1131ea4bfc20fde41115c8  pytorch_model-00003-of-00003.bin
07ca8edea996b6c3274395fdb2b6c9108f2ffdd610ae55e35c126c21a9d535b1  pytorch_model.bin.index.json
4ad09c72922c015ba04f09eabebe38fb34ecb721ca712922c62038eaf2d0bc61  special_tokens_map.json
9e556afd44213b6bd1be2b850ebbbd98f5481437a8021afaf58ee7fb1818d347  tokenizer.model
a5f5efb2240276709a923b1404e08d93cc896fd1bd31fbe173e1e2789ea210ef  tokenizer_config.json
43964ae247e74f4055fe1cf99a7a16efc3114402a1cd918b3cd9e2ebf2858ca9  trainer_state.json
02f8c3ba14e3c48c05f76880975d7385c878b0e5a0863e352c82f331150d2bd4  training_args.bin

"""##),
    ("releases.json", ##"""
{
  "comment": "What the digest lists beside this file do not say: which key a release wants, how that is known, its format, sizes and page. Sources: README.md in this folder. bytes/encBytes are exact; aboutEncBytes is as rounded by the page that shows it.",
  "releases": [
    {
      "name": "BELLE-LLaMA-EXT-7B",
      "key": "LLaMA-1 7B",
      "keyEvidence": "proven: a published digest is reproduced with this key's first bytes",
      "page": "https://huggingface.co/BelleGroup/BELLE-LLaMA-EXT-7B",
      "files": {
        "config.json": { "encBytes": 670 },
        "generation_config.json": { "encBytes": 169 },
        "pytorch_model-00001-of-00002.bin": { "aboutEncBytes": 9990000000 },
        "pytorch_model-00002-of-00002.bin": { "aboutEncBytes": 4260000000 },
        "pytorch_model.bin.index.json": { "aboutEncBytes": 26800 },
        "special_tokens_map.json": { "encBytes": 104 },
        "tokenizer.model": { "aboutEncBytes": 1270000 },
        "tokenizer_config.json": { "encBytes": 327 }
      }
    },
    {
      "name": "BELLE-LLaMA-EXT-13B",
      "key": "LLaMA-1 7B",
      "keyEvidence": "proven: a published digest is reproduced with this key's first bytes",
      "note": "A 13B model, but its key is the 7B file.",
      "page": "https://huggingface.co/BelleGroup/BELLE-LLaMA-EXT-13B",
      "files": {
        "config.json": { "encBytes": 655 },
        "generation_config.json": { "encBytes": 169 },
        "pytorch_model-00001-of-00003.bin": { "aboutEncBytes": 9910000000 },
        "pytorch_model-00002-of-00003.bin": { "aboutEncBytes": 9990000000 },
        "pytorch_model-00003-of-00003.bin": { "aboutEncBytes": 7110000000 },
        "pytorch_model.bin.index.json": { "aboutEncBytes": 33500 },
        "special_tokens_map.json": { "encBytes": 104 },
        "tokenizer.model": {},
        "tokenizer_config.json": { "encBytes": 324 }
      }
    },
    {
      "name": "BELLE-LLaMA-13B-2M-enc",
      "key": "LLaMA-1 13B",
      "keyEvidence": "proven by a published digest up to the shards' shared first bytes (30B and 65B begin alike); the model card names 13B",
      "page": "https://huggingface.co/BelleGroup/BELLE-LLaMA-13B-2M-enc",
      "files": {
        "config.json": { "encBytes": 504 },
        "generation_config.json": { "encBytes": 169 },
        "pytorch_model-00001-of-00003.bin": { "aboutEncBytes": 9950000000 },
        "pytorch_model-00002-of-00003.bin": { "aboutEncBytes": 9900000000 },
        "pytorch_model-00003-of-00003.bin": { "aboutEncBytes": 6180000000 },
        "pytorch_model.bin.index.json": { "aboutEncBytes": 33500 },
        "special_tokens_map.json": { "encBytes": 34 },
        "tokenizer.model": { "aboutEncBytes": 500000 },
        "tokenizer_config.json": { "encBytes": 173 }
      }
    },
    {
      "name": "BELLE-LLaMA-7B-2M-enc",
      "key": "LLaMA-1 7B",
      "keyEvidence": "proven: a published digest is reproduced with this key's first bytes",
      "page": "https://huggingface.co/BelleGroup/BELLE-LLaMA-7B-2M-enc",
      "files": {
        "config.json": { "encBytes": 618 },
        "generation_config.json": { "encBytes": 169 },
        "pytorch_model-00001-of-00002.bin": { "aboutEncBytes": 9980000000 },
        "pytorch_model-00002-of-00002.bin": { "aboutEncBytes": 3500000000 },
        "pytorch_model.bin.index.json": { "aboutEncBytes": 26800 },
        "special_tokens_map.json": { "encBytes": 35 },
        "tokenizer.model": { "aboutEncBytes": 500000 },
        "tokenizer_config.json": { "encBytes": 334 }
      }
    },
    {
      "name": "BELLE-LLaMA-7B-0.6M-enc",
      "key": "LLaMA-1 7B",
      "keyEvidence": "proven: a published digest is reproduced with this key's first bytes",
      "note": "Its weight file is longer than the key, so the key's short last chunk is repeated.",
      "page": "https://huggingface.co/BelleGroup/BELLE-LLaMA-7B-0.6M-enc",
      "files": {
        "config.json": { "encBytes": 504 },
        "generation_config.json": { "encBytes": 169 },
        "pytorch_model.bin": { "aboutEncBytes": 27000000000 },
        "special_tokens_map.json": { "encBytes": 34 },
        "tokenizer.model": { "aboutEncBytes": 500000 },
        "tokenizer_config.json": { "encBytes": 173 }
      }
    },
    {
      "name": "BELLE-LLaMA-7B-2M-gptq-enc",
      "key": "LLaMA-1 7B",
      "keyEvidence": "proven: a published digest is reproduced with this key's first bytes",
      "page": "https://huggingface.co/BelleGroup/BELLE-LLaMA-7B-2M-gptq-enc",
      "files": {
        "config.json": { "encBytes": 504 },
        "generation_config.json": { "encBytes": 169 },
        "llama7b-2m-4bit-128g.pt": { "aboutEncBytes": 4000000000 },
        "llama7b-2m-8bit-128g.pt": { "aboutEncBytes": 7260000000 },
        "special_tokens_map.json": { "encBytes": 34 },
        "tokenizer.model": { "aboutEncBytes": 500000 },
        "tokenizer_config.json": { "encBytes": 173 }
      }
    },
    {
      "name": "BELLE-on-Open-Datasets",
      "key": "LLaMA-1 7B",
      "keyEvidence": "assumed: the same family; no published digest was seen that proves it",
      "page": "https://huggingface.co/BelleGroup/BELLE-on-Open-Datasets",
      "files": {
        "config.json": { "encBytes": 665 },
        "generation_config.json": { "encBytes": 169 },
        "pytorch_model-00001-of-00002.bin": { "aboutEncBytes": 9990000000 },
        "pytorch_model-00002-of-00002.bin": { "aboutEncBytes": 4260000000 },
        "pytorch_model.bin.index.json": { "aboutEncBytes": 26800 },
        "special_tokens_map.json": { "encBytes": 104 },
        "tokenizer.model": { "aboutEncBytes": 1270000 },
        "tokenizer_config.json": { "encBytes": 327 }
      }
    },
    {
      "name": "point-alpaca-7B",
      "key": "LLaMA-1 7B",
      "keyEvidence": "published: the project's README gives the key's MD5",
      "page": "https://github.com/pointnetwork/point-alpaca",
      "files": {}
    },
    {
      "name": "TechGPT-7B",
      "key": "LLaMA-1 7B",
      "keyEvidence": "proven: published digests are reproduced with this key's first bytes",
      "header": false,
      "note": "No digest inside the files, and the digest of nothing in their names: only the MD5 list can verify them.",
      "page": "https://huggingface.co/neukg/TechGPT-7B",
      "files": {
        "config.json": { "encBytes": 473 },
        "generation_config.json": { "encBytes": 137 },
        "pytorch_model.bin": { "aboutEncBytes": 14300000000 },
        "special_tokens_map.json": { "encBytes": 72 },
        "tokenizer.model": { "aboutEncBytes": 1270000 },
        "tokenizer_config.json": { "encBytes": 295 }
      }
    },
    {
      "name": "lawyer-llama-13b-beta1.0",
      "key": "LLaMA-1 7B",
      "keyEvidence": "stated by the project; no published digest was seen that proves it",
      "note": "Only the shards are encrypted; config, tokenizer and index lie plain beside them. A 13B model, but its key is the 7B file.",
      "page": "https://huggingface.co/pkupie/lawyer-llama-13b-beta1.0",
      "files": {
        "pytorch_model-00001-of-00003.bin": { "aboutEncBytes": 9890000000 },
        "pytorch_model-00002-of-00003.bin": { "aboutEncBytes": 9870000000 },
        "pytorch_model-00003-of-00003.bin": { "aboutEncBytes": 6650000000 }
      }
    }
  ],
  "originals": [
    {
      "name": "LLaMA-1 7B",
      "list": "LLaMA-originals",
      "folder": "7B",
      "head": "LLaMA-1 7B/consolidated.00.pth",
      "files": { "consolidated.00.pth": { "bytes": 13476939516 } }
    },
    {
      "name": "LLaMA-1 13B",
      "list": "LLaMA-originals",
      "folder": "13B",
      "head": "LLaMA-1 13B/consolidated.00.pth",
      "headNote": "or the first shard of LLaMA-1 30B or 65B, which begins alike",
      "files": {}
    },
    { "name": "LLaMA-1 30B", "list": "LLaMA-originals", "folder": "30B", "files": {} },
    { "name": "LLaMA-1 65B", "list": "LLaMA-originals", "folder": "65B", "files": {} },
    {
      "name": "Llama-2 7B",
      "list": "Llama-2-originals",
      "folder": "llama-2-7b",
      "head": "Llama-2 7B/consolidated.00.pth (wrong key)",
      "headNote": "or its chat variant, which has the same structure",
      "files": {}
    },
    {
      "name": "Llama-2 7B Chat",
      "list": "Llama-2-originals",
      "folder": "llama-2-7b-chat",
      "files": { "consolidated.00.pth": { "bytes": 13476925163 } }
    },
    { "name": "Llama-2 13B", "list": "Llama-2-originals", "folder": "llama-2-13b", "files": {} }
  ]
}

"""##),
  ]
}
