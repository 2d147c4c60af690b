"""Names that Wikipedia uses in English, Spanish, French and Chinese.

The names are those of sections without prose, list pages, namespaces and other wikis. All names apply to
pages of every language, because hardly any name means something else in another of the four languages.
"""

from __future__ import annotations

import re


def _names(text: str) -> frozenset[str]:
    """Returns the names of a text, separated by "|" or line ends."""
    return frozenset(name for line in text.splitlines() for part in line.split("|") if (name := part.strip()))


def _codes(text: str) -> frozenset[str]:
    return frozenset(text.split())


SECTIONS_LEFT_OUT = _names(
    """
    references | reference | notes and references | references and notes | references and sources
    sources and references | notes | note | footnotes | endnotes | citations | citation | sources
    source | works cited | cited works | literature cited | cited literature | references cited
    general references | other references | primary sources | secondary sources | explanatory notes
    notes and citations | citations and notes | notes and sources | bibliography | selected bibliography
    bibliography and further reading | literature | external links | external link
    external links and references | references and external links | see also | see also and references
    further reading | further reading and external links | further information | further resources
    other reading | related articles | links | gallery | image gallery | photo gallery | images
    navigation | works about | referencias | referencias y notas | notas y referencias | notas
    notas al pie | citas | fuentes | bibliografía | bibliografía adicional | bibliografía complementaria
    bibliografía utilizada | bibliografía recomendada | enlaces externos | enlace externo
    véase también | ver también | vease también | otras lecturas | lecturas adicionales
    lectura adicional | lecturas recomendadas | para saber más | galería | galería de imágenes
    literatura | enlaces relacionados | références | référence | notes et références | notes et sources
    références et notes | références bibliographiques | sources et bibliographie
    bibliographie et sources | bibliographie | bibliographie sélective | ouvrages | liens externes
    lien externe | voir aussi | articles connexes | article connexe | annexes | pour approfondir
    lectures complémentaires | pour en savoir plus | notes de bas de page | galerie | galerie d'images
    galerie de photos | sources | liens et documents externes | 参考文献 | 參考文獻 | 参考资料
    參考資料 | 参考来源 | 參考來源 | 参考书目 | 參考書目 | 参考 | 參考 | 参考文献与注释 | 注释 | 注釋
    註釋 | 註解 | 注解 | 脚注 | 腳註 | 备注 | 備註 | 附注 | 附註 | 资料来源 | 資料來源 | 来源 | 來源
    引用 | 书目 | 書目 | 文献 | 文獻 | 注释与参考文献 | 注释及参考文献 | 註釋與參考文獻 | 注释和参考资料
    參考文獻與註釋 | 外部链接 | 外部連結 | 外部鏈接 | 外部连结 | 相关链接 | 相關連結 | 参见 | 參見
    参看 | 參看 | 另见 | 另見 | 相关条目 | 相關條目 | 延伸阅读 | 延伸閱讀 | 扩展阅读 | 擴展閱讀
    进阶阅读 | 深入阅读 | 图集 | 圖集 | 图库 | 圖庫 | 画廊 | 畫廊 | 相册
    """
)

# Titles of pages that are lists.
LIST_TITLE = re.compile(
    r"""^(?:lists?[ ]of[ ]|outline[ ]of[ ]|index[ ]of[ ].*articles|anexo\s*:|list(?:a|as|ado|ados)[ ]de[ ]
    |listes?[ ](?:de[ ]|des[ ]|du[ ]|d['’]))
    |列表(?:\s*[(（][^)）]*[)）])?$""",
    re.IGNORECASE | re.VERBOSE,
)
DISAMBIGUATION_TITLE = re.compile(
    r"[(（]\s*(?:disambiguation|desambiguación|homonymie|消歧义|消歧義|消歧义页|消歧義頁)\s*[)）]$",
    re.IGNORECASE,
)
DISAMBIGUATION_MARK = re.compile(
    r"""__DISAMBIG__|\{\{\s*(?:
    disambig(?:uation)?(?:[\s_-](?:page|cleanup|\w+))?|dab|disamb|hndis(?:-cleanup)?|hn|geodis|numberdis|mathdab
    |mathematical[ ]disambiguation|roaddis|schooldis|airport[ ]disambig|hospital[ ]disambiguation
    |letter[-– ]numbercombdisambig
    |letter-number[ ]combination[ ]disambiguation|human[ ]name[ ]disambiguation|place[ ]name[ ]disambiguation
    |callsigndis|sia|set[ ]index(?:[ ]article)?|shipindex|mountainindex|surname|given[ ]name|roadindex
    |plant[ ]common[ ]name
    |desambiguaci[oó]n|desambig|des|homonymie|paronymie|patronymie|toponymie|homonymie[ ]de[ ][\w ]+
    |bandeau[ ]homonymie
    |消歧义|消歧義|消歧义页|消歧義頁|人名消歧义|人名消歧義|地名消歧义|地名消歧義)\s*(?:\||\}\})""",
    re.IGNORECASE | re.VERBOSE,
)
REDIRECT = re.compile(
    r"\s*#\s*(?:redirect(?:ion)?|redirecci[oó]n|重定向|重新導向)\s*:?\s*\[\[", re.IGNORECASE
)

# Links into these namespaces add no text to the sentence (a picture is shown outside of the sentence).
FILES = _names(
    "file | image | media | archivo | imagen | fichier | 文件 | 檔案 | 档案 | 图像 | 圖像 | 图片 | 圖片"
)
CATEGORIES = _names("category | categoría | categoria | catégorie | 分类 | 分類")
# Links into these namespaces and wikis show their text but do not lead to an article.
NAMESPACES = _names(
    """
    special | especial | spécial | 特殊 | talk | discusión | discussion | 讨论 | 討論 | user | usuario
    usuaria | utilisateur | utilisatrice | 用户 | 用戶 | 使用者 | user talk | usuario discusión
    discussion utilisateur | wikipedia | project | wp | 维基百科 | 維基百科 | wikipedia talk | file talk
    mediawiki | mediawiki talk | template | plantilla | modèle | 模板 | template talk | help | ayuda
    aide | 帮助 | 幫助 | help talk | category talk | portal | portail | 主题 | 主題 | portal talk
    wikiproyecto | projet | book | libro | draft | timedtext | module | módulo | 模块 | 模塊 | anexo
    mos
    """
)
WIKIS = _names(
    """
    wikt | wiktionary | wikcionario | wiktionnaire | s | wikisource | q | wikiquote | b | wikibooks | n
    wikinews | v | wikiversity | voy | wikivoyage | species | wikispecies | commons | c | d | wikidata
    m | meta | metawikipedia | w | mw | foundation | phab | bugzilla | doi | hdl | rfc | imdbname
    imdbtitle | google | tools | toollabs | wikia
    """
)
# Language codes of Wikipedias: old pages list their translations as links such as `[[de:Berlin]]`.
LANGUAGES = _codes(
    """
    aa ab ace ady af ak als alt am an ang ar arc ary arz as ast atj av avk awa ay az azb ba ban bar
    bat-smg bcl be be-tarask be-x-old bg bh bi bjn bm bn bo bpy br bs bug bxr ca cbk-zam cdo ce ceb ch
    cho chr chy ckb co cr crh cs csb cu cv cy da de din diq dsb dty dv dz ee el eml en eo es et eu ext
    fa ff fi fiu-vro fj fo fr frp frr fur fy ga gag gan gcr gd gl glk gn gom gor got gu gv ha hak haw he
    hi hif ho hr hsb ht hu hy hyw hz ia id ie ig ii ik ilo inh io is it iu ja jam jbo jv ka kaa kab kbd
    kbp kg ki kj kk kl km kn ko koi kr krc ks ksh ku kv kw ky la lad lb lbe lez lfn lg li lij lld lmo ln
    lo lrc lt ltg lv mad mai map-bms mdf mg mh mhr mi min mk ml mn mni mr mrj ms mt mus mwl my myv mzn
    na nah nap nds nds-nl ne new ng nl nn no nov nqo nrm nso nv ny oc olo om or os pa pag pam pap pcd
    pdc pfl pi pih pl pms pnb pnt ps pt qu rm rmy rn ro roa-rup roa-tara ru rue rw sa sah sat sc scn sco
    sd se sg sh shn si simple sk skr sl sm smn sn so sq sr srn ss st stq su sv sw szl szy ta tcy te tet
    tg th ti tk tl tn to tpi tr ts tt tum tw ty tyv udm ug uk ur uz ve vec vep vi vls vo wa war wo wuu
    xal xh xmf yi yo za zea zh zh-classical zh-min-nan zh-yue zu
    """
)
