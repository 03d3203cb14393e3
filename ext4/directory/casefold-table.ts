/**
 * Unicode 12.1, as far as folding names needs it. Made by scripts/make-casefold-table.ts; all
 * numbers are in base 36.
 */

/** Code points that were no characters then: the gap since the range before, its length. */
export const unassignedRanges = `
oo 2 6 4 7 1 1 1 k 1 b1 1 12 2 1e 2 3 1 1j 8 r 4 6 b t 1 6o 1 1o 2 2t e 1n 2 1d 2 f 1 s 2 1 1 b
1h l 1 8 l 4x 1 8 2 2 2 m 1 7 1 1 3 4 2 9 2 2 2 4 8 1 4 2 1 5 2 p 2 3 1 6 4 2 2 m 1 7 1 2 1 2 1
2 2 1 1 5 4 2 2 3 3 1 7 4 1 1 7 h a 3 1 9 1 3 1 m 1 7 1 2 1 5 2 a 1 3 1 3 2 1 f 4 2 c 7 7 1 3 1
8 2 2 2 m 1 7 1 2 1 5 2 9 2 2 2 3 8 2 4 2 1 5 2 i a 2 1 6 3 3 1 4 3 2 1 1 1 2 3 2 3 3 3 c 4 5 3
3 1 4 2 1 6 1 e l 5 d 1 3 1 n 1 g 3 8 1 3 1 4 7 2 1 3 5 4 2 a 7 m 1 3 1 n 1 a 1 5 2 9 1 3 1 4 7
2 7 1 1 4 2 a 1 2 d 4 1 8 1 3 1 1f 1 3 1 6 4 g 2 q 2 2 1 i 3 o 1 9 1 1 2 7 3 1 4 6 1 1 1 8 6 a 2
3 c 1m 4 t 11 2 1 1 1 5 1 o 1 1 1 n 2 5 1 1 1 6 2 a 2 4 w 20 1 10 4 13 1 10 1 f 1 d 11 5i 1 1 5
1 2 ah 1 4 2 7 1 1 1 4 2 15 1 4 2 x 1 4 2 7 1 1 1 4 2 f 1 1l 1 4 2 1v 2 w 3 q 6 2e 2 6 2 il 3 2h
7 d 1 7 b n 9 k c d 1 3 1 2 c 2m 2 a 6 a 6 f 1 a 6 2h 7 17 5 1y a v 1 c 4 c 4 1 3 16 2 5 b 18 4
q 6 b 3 1q 2 1t 1 t 2 b 6 a 6 e 2 f 1t 24 4 19 3 38 8 1o 3 f 3 1o 7 17 2 b 8 17 5 6y 1 7v 2 6 2
12 2 6 2 8 1 1 1 1 1 1 1 v 2 1h 1 f 1 e 2 6 1 j 2 3 1 9 1 2t 1 c 2 r 1 d 3 w g x f 3w 4 if p b l
1ec 2 w 2 47 1 1b 1 44 5 19 1 1 5 1 2 1k 7 2 e o 9 7 1 7 1 7 1 7 1 7 1 7 1 7 1 7 1 34 1c q 1 2h
c 5y q c 4 1s 1 2e 2 2v 5 17 1 2m 1 17 5 10 c 1b 1 5g6 a g8g g wd 3 1j 9 9o k 54 8 5c 2 5 1c 1h
4 a 6 1k 8 1y 8 c 6 38 b u 3 26 1 b 4 x 1 1j 9 e 2 a 2 2v o s a 6 2 6 2 6 9 7 1 7 1 1k 8 3i 2 a
6 8mc c n 4 1d 4 6su 2 2y 12 7 c 5 5 q 1 5 1 1 1 2 1 2 1 3g h a5 g 1s 2 1i 14 e 2 q 6 1f 1 j 1 4
4 5 1 3r 2 1 1 5a 3 6 2 6 2 6 2 3 3 7 1 7 a 5 2 c 1 q 1 j 1 2 1 f 2 e y 3f 5 3 4 19 3 2g 1 c 4 1
1b 1a 3m t 3 1d f s 4 10 9 u 5 17 5 u 1 11 4 e 16 4e 2 a 6 10 4 10 4 14 8 1g b 1 40 8n 9 m a 8
48 6 2 1 1 18 1 2 3 1 2 n 1 20 8 9 1c j 1 2 5 x 3 r 5 1 1s 1k 4 k 2 1e 1 2 5 8 1 3 1 t 2 3 4 a 7
9 7 1s w 13 4 c 9 1i 3 t 2 r 5 q 7 4 c 7 28 21 1j 1f d 1f 7 1a 8 a 86 v 3l 14 8 16 3q n 9 26 4 u
f 1v b 1 2 p 7 a 6 1h 1 h 9 13 9 26 2 g 1 k b i 1 18 1t 7 1 1 1 4 1 f 1 b 6 1n 5 a 6 4 1 8 2 2 2
m 1 7 1 2 1 5 1 a 2 2 2 3 2 1 6 1 5 7 2 7 3 5 3v 2i 1 1 1 3 w 20 8 a 4m 1i 2 12 y 1x b a 6 d j
1l 7 a 1i r 2 f 4 g 5c 1o 2s 2b c 1 4g 8 2 1a 2 b r 20 8 2b t 1l 7b 9 1 19 1 e a t 3 w 2 m 1 e
21 7 1 2 1 18 3 1 1 2 1 9 8 a 6 6 1 2 1 11 1 2 1 6 7 a 8m p 5j 1e d pn 2u 33 1 5 b 5g 24c tr 1 9
347 g7 6nt ft 7 v 1 a 4 2 2o u 2 6 a 1y a a 1 7 1 l 5 j j4 2j 2t 23 4 1l 7 h 1s 4 s 4qg 8 kz 7bh
7z 1d 3 h 4 8 b0 1s4 2z 5 d 3 9 7 a 2 8 3to 6u a 13 2 5c n 1y 4a k c 2f 9 p 3r 2d 1 1z 1 2 2 1 2
2 2 4 1 c 1 1 1 7 1 1t 1 4 2 8 1 7 1 s 1 4 1 5 1 1 3 7 1 9g 2 84 2 ji f 5 1 f 11s 7 1 h 2 7 1 2
1 5 5x 19 3 e 2 a 4 2 a8 1m 5 1 zk 5h 2 g 15 24 4 a 4 2 lt 1w 24 1p 5e 4 1 r 1 2 1 1 2 1 1 a 1 4
1 1 1 1 6 1 4 1 1 1 1 1 1 3 1 2 1 1 2 1 1 1 1 1 1 1 1 1 1 2 1 1 2 4 1 7 1 4 1 4 1 1 1 a 1 h 5 3
1 5 1 h 1g 2 7i 18 4 2s c f 2 f 1 f 1 11 a d 3 2l 3 1p 1l t d 18 4 9 7 2 e 6 4a ra a d 3 b 5 38
c 2h 7 c k c 4 1k 8 a 6 14 8 u 2a c 1 2t 1 4 3 15 2 6 3 t 2 3r c e 2 4 4 3 5 3 d 6 12i wyf 15
379 b 66 2 4g2 e 5rl 2e7 f2 fher 1 u 2o 3k 6o 1e6o 1eke 2 1eke 2
`;

/** Default_Ignorable_Code_Point: the gap since the range before, its length. */
export const ignorableRanges = `
4t 1 ip 1 jw 1 282 2 18z 2 2d 4 1ks 5 q 5 1d g 3ck 1 14ez g 6n 1 4g 1 27 9 119j 4 43z 8 h405 35s
`;

/** CaseFolding.txt, status C: the gap since the run before, its count, its stride, what to add. */
export const foldingRuns = `
1t q 1 w 2i 1 1 lj a n 1 w 1 7 1 w x o 2 1 3 3 2 1 2 8 2 1 2 n 2 1 1 1 1 -3d 0 3 2 1 1 1 2 -7g 1
1 1 5u 0 2 2 1 1 1 1 5q 0 1 2 1 1 2 1 5p 0 1 1 1 2 1 1 27 0 1 1 5m 0 1 1 5n 0 1 2 1 1 1 1 5p 0 1
2 5r 1 1 1 5v 0 1 1 5t 0 1 1 1 3 1 1 5v 0 1 2 5x 1 1 1 5y 0 3 2 1 1 1 1 62 0 1 2 1 1 1 1 62 2 1
2 1 1 1 1 62 0 1 2 1 1 2 1 61 0 2 2 1 1 1 1 63 0 1 1 1 3 1 1 1 7 1 1 2 0 1 2 1 1 1 1 2 0 1 2 1 1
1 1 2 0 9 2 1 2 9 2 1 2 1 1 2 0 2 2 1 1 1 1 -2p 0 1 1 -1k 0 k 2 1 1 1 2 -3m 1 9 2 1 7 1 1 8bv 0
1 2 1 1 1 1 -4j 0 1 1 8bs 2 1 2 1 1 1 1 -5f 0 1 1 1x 0 1 1 1z 0 5 2 1 6u 1 1 38 16 2 2 1 3 1 1 1
8 1 1 38 6 1 2 12 1 3 1 11 1 1 2 1s 1 2 1 1r 1 h 1 w 1 9 1 w m 1 1 1 c 1 1 8 0 1 1 -u 0 1 1 -p 3
1 1 -f 0 1 2 -m 1 c 2 1 1 1 1 -1i 0 1 1 -1c 2 1 1 -1o 0 1 2 -1s 1 1 2 1 1 1 1 -7 0 1 1 1 2 3 1
-3m 0 g 1 28 0 w 1 w 1c h 2 1 9 r 2 1 1 1 1 f 0 7 2 1 2 1c 2 1 2 12 1 1c 289 12 1 5ls 1 1 1 5ls
5 1 1 5ls mi 6 1 -8 1oi 1 1 -4su 0 1 1 -4st 0 1 1 -4sk 0 2 1 -4si 0 1 1 -4sj 0 1 1 -4sc 0 1 1
-4ro 0 1 1 r7n 7 17 1 -2bk 2 3 1 -2bk 8w 23 2 1 6 1 1 -1m 4 1c 2 1 9 8 1 -8 8 6 1 -8 a 8 1 -8 8
8 1 -8 8 6 1 -8 b 4 2 -8 8 8 1 -8 20 2 1 -8 0 2 1 -22 2 1 1 -5j9 9 4 1 -2e c 2 1 -8 0 2 1 -2s c
2 1 -8 0 2 1 -34 0 1 1 -7 b 2 1 -3k 0 2 1 -3i 8a 1 1 -5st 3 1 1 -6gv 0 1 1 -6di 6 1 1 s 19 g 1 g
j 1 1 1 mq q 1 q 1f4 1b 1 1c 1d 1 2 1 1 1 1 -8af 0 1 1 -2xy 0 1 1 -89z 2 3 2 1 1 1 1 -8bg 0 1 1
-8al 0 1 1 -8bj 0 1 2 -8bi 1 1 1 1 2 1 1 1 8 2 1 -8cf 0 1e 2 1 8 2 2 1 4 1 1 1 nyl n 2 1 j e 2 1
3r 7 2 1 3 v 2 1 a 2 2 1 1 1 1 -r9g 0 5 2 1 4 1 2 1 1 1 1 -wmg 2 2 2 1 3 a 2 1 1 1 1 -wn8 0 1 1
-wnj 0 1 1 -wnf 0 1 1 -wn5 0 1 2 -wn8 1 1 1 -wlu 0 1 1 -wmi 0 1 1 -wlx 0 1 1 ps 0 6 2 1 3 1 2 1
1 1 1 -1c 0 1 1 -wn7 0 1 1 -raw q1 28 1 -tzk ggx q 1 w xx 14 1 14 3s 10 1 14 1ik 1f 1 1s 2ct w 1
w gw0 w 1 w o80 y 1 y
`;

/** CaseFolding.txt, status F: the code point, how many it becomes, these. */
export const expansions = `
67 2 37 37 8g 2 2x lj 95 2 jg 32 ds 2 2y lo pc 3 qh lk ld q8 3 qt lk ld 13b 2 12d 136 61i 2 2w
mp 61j 2 38 lk 61k 2 3b lm 61l 2 3d lm 61m 2 2p ji 61q 2 37 37 66o 2 qt lv 66q 3 qt lv lc 66s 3
qt lv ld 66u 3 qt lv n6 680 2 64g qh 681 2 64h qh 682 2 64i qh 683 2 64j qh 684 2 64k qh 685 2
64l qh 686 2 64m qh 687 2 64n qh 688 2 64g qh 689 2 64h qh 68a 2 64i qh 68b 2 64j qh 68c 2 64k
qh 68d 2 64l qh 68e 2 64m qh 68f 2 64n qh 68g 2 65c qh 68h 2 65d qh 68i 2 65e qh 68j 2 65f qh
68k 2 65g qh 68l 2 65h qh 68m 2 65i qh 68n 2 65j qh 68o 2 65c qh 68p 2 65d qh 68q 2 65e qh 68r 2
65f qh 68s 2 65g qh 68t 2 65h qh 68u 2 65i qh 68v 2 65j qh 68w 2 674 qh 68x 2 675 qh 68y 2 676
qh 68z 2 677 qh 690 2 678 qh 691 2 679 qh 692 2 67a qh 693 2 67b qh 694 2 674 qh 695 2 675 qh
696 2 676 qh 697 2 677 qh 698 2 678 qh 699 2 679 qh 69a 2 67a qh 69b 2 67b qh 69e 2 67k qh 69f 2
q9 qh 69g 2 q4 qh 69i 2 q9 n6 69j 3 q9 n6 qh 69o 2 q9 qh 69u 2 67o qh 69v 2 qf qh 69w 2 q6 qh
69y 2 qf n6 69z 3 qf n6 qh 6a4 2 qf qh 6aa 3 qh lk lc 6ab 3 qh lk ld 6ae 2 qh n6 6af 3 qh lk n6
6aq 3 qt lk lc 6ar 3 qt lk ld 6as 2 qp lv 6au 2 qt n6 6av 3 qt lk n6 6b6 2 67w qh 6b7 2 qx qh
6b8 2 r2 qh 6ba 2 qx n6 6bb 3 qx n6 qh 6bg 2 qx qh 1dkw 2 2u 2u 1dkx 2 2u 2x 1dky 2 2u 30 1dkz 3
2u 2u 2x 1dl0 3 2u 2u 30 1dl1 2 37 38 1dl2 2 37 38 1dlf 2 12s 12u 1dlg 2 12s 12d 1dlh 2 12s 12j
1dli 2 132 12u 1dlj 2 12s 12l
`;
