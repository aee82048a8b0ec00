"""Languages as playlists write them (RFC 5646), from the codes that files carry."""

from __future__ import annotations

import re
from typing import Final

_SHORT: Final = """
aa:aar ab:abk ae:ave af:afr ak:aka am:amh an:arg ar:ara as:asm av:ava ay:aym az:aze ba:bak be:bel bg:bul bi:bis bm:bam
bn:ben bo:bod,tib br:bre bs:bos ca:cat ce:che ch:cha co:cos cr:cre cs:ces,cze cu:chu cv:chv cy:cym,wel da:dan
de:deu,ger dv:div dz:dzo ee:ewe el:ell,gre en:eng eo:epo es:spa et:est eu:eus,baq fa:fas,per ff:ful fi:fin fj:fij
fo:fao fr:fra,fre fy:fry ga:gle gd:gla gl:glg gn:grn gu:guj gv:glv ha:hau he:heb hi:hin ho:hmo hr:hrv,scr ht:hat hu:hun
hy:hye,arm hz:her ia:ina id:ind ie:ile ig:ibo ii:iii ik:ipk io:ido is:isl,ice it:ita iu:iku ja:jpn jv:jav ka:kat,geo
kg:kon ki:kik kj:kua kk:kaz kl:kal km:khm kn:kan ko:kor kr:kau ks:kas ku:kur kv:kom kw:cor ky:kir la:lat lb:ltz lg:lug
li:lim ln:lin lo:lao lt:lit lu:lub lv:lav mg:mlg mh:mah mi:mri,mao mk:mkd,mac ml:mal mn:mon mr:mar ms:msa,may mt:mlt
my:mya,bur na:nau nb:nob nd:nde ne:nep ng:ndo nl:nld,dut nn:nno no:nor nr:nbl nv:nav ny:nya oc:oci oj:oji om:orm or:ori
os:oss pa:pan pi:pli pl:pol ps:pus pt:por qu:que rm:roh rn:run ro:ron,rum ru:rus rw:kin sa:san sc:srd sd:snd se:sme
sg:sag sh:hbs si:sin sk:slk,slo sl:slv sm:smo sn:sna so:som sq:sqi,alb sr:srp,scc ss:ssw st:sot su:sun sv:swe sw:swa
ta:tam te:tel tg:tgk th:tha ti:tir tk:tuk tl:tgl tn:tsn to:ton tr:tur ts:tso tt:tat tw:twi ty:tah ug:uig uk:ukr ur:urd
uz:uzb ve:ven vi:vie vo:vol wa:wln wo:wol xh:xho yi:yid yo:yor za:zha zh:zho,chi zu:zul
"""
"""The codes of ISO 639-1, each with those of three letters that mean the same: that of ISO 639-2/T, then 639-2/B."""

_SHORTEST: Final = {
    long: short for short, _, longs in (pair.partition(":") for pair in _SHORT.split()) for long in longs.split(",")
}

_LONG: Final = {
    code: longs.split(",")[0]
    for short, _, longs in (pair.partition(":") for pair in _SHORT.split())
    for code in (short, *longs.split(","))
}

_THREE_LETTERS: Final = re.compile(r"[a-z]{3}")

_TAG: Final = re.compile(r"([a-z]{2,3}|[ix](?=-))(-[a-z0-9]{1,8})*", re.IGNORECASE)
"""A language tag without its finer rules (RFC 5646, 2.1); no language has a longer code."""

_SEVERAL: Final = re.compile(r"[,;/\s]+")
"""What stands between the codes of a track that has more than one, as MPEG-TS has for two languages in one track."""


def language_tag(written: str | None) -> str | None:
    """Return the language tag of a track; None where its file names no language, or nothing that can be a tag.

    The primary language has the shortest code of ISO 639 (RFC 5646, 4.1, rule 1), because players compare it with the
    viewer's languages. A value that is a tag already keeps its other subtags. Of several languages, the first counts.
    """
    first = next(filter(None, _SEVERAL.split(written or "")), "").replace("_", "-")
    if not _TAG.fullmatch(first):
        return None
    primary, dash, others = first.partition("-")
    primary = primary.lower()
    return None if primary == "und" else f"{_SHORTEST.get(primary, primary)}{dash}{others}"


def long_code(code: str | None) -> str:
    """Return the code of three letters that ISO 639-2/T has for a language, as MP4 files write it; ``und`` for none."""
    language = (code or "").partition("-")[0].lower()
    found = _LONG.get(language, language)
    return found if _THREE_LETTERS.fullmatch(found) else "und"
